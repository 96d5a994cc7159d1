package main

// mockMutants are those of package hwcq/mock.
var mockMutants = []mutant{
	{"k01", "arm", "arming for solicited events weakens an arm", "ArmIsNotWeakened", ""},
	{"k02", "arm", "the arm is stored, not exchanged", "ArmThenLook|ArmIsNotWeakened", ""},
	{"k03", "arm", "one arm raises two events", "ArmThenLook", ""},
	{"k04", "arm", "an arm raises no event", "ArmThenLook|Waiter", ""},
	{"k05", "publish", "completions are published out of turn", "Full|ArmThenLook|PublishBeforeWrite", ""},
	{"k07", "arm", "an arm beside a fatal overrun is told by nobody", "ArmBesideOverrun", ""},
	{"k06", "close", "Close does not wait for what is reserved", "Close|CloseStopsDevice", ""},
}
