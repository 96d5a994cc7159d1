package main

// engineGroupMutants are those of pollers that many CQs share.
var engineGroupMutants = []mutant{
	{"Gr1", "G1", "who notes a member beside a goroutine that is awake puts it on no list", "PollerTwo|PollerStart", ""},
	{"Gr2", "G2", "whether the goroutine sleeps is looked at before the member is on the list", "PollerTwo|PollerStart", "mg2"},
	{"Gr3", "G3", "the goroutine says that it sleeps after the look at the list", "PollerTwo|PollerStart", "mg3"},
	{"Gr4", "G4", "a member may be noted again after the looks only", "PollerTwo|PollerStart", "mg4"},
	{"Gr5", "group", "what is left when a budget was used up is forgotten", "PollerBudget", ""},
	{"Gr6", "group", "what is left when a budget was used up goes to a worker", "^TestPollerFair$", ""},
	{"Gr7", "group", "a member whose back-off is over is not looked after", "PollerArmError", ""},
	{"Gr8", "group", "a descriptor's number is taken for its CQ", "^TestPollerDescriptorReused$", ""},
	{"Gr10", "G6", "who leaves is among the leavers before his orders say so", "PollerCloseBusy|PollerCloseInside", "mg10"},
	{"Gr9", "group", "a member that leaves stays a member", "PollerClose", ""},
	{"Gr11", "G5", "whether somebody leaves is looked at before the goroutine says that it is inside", "PollerCloseLocked", "mg5"},
	{"Gr12", "G6", "who leaves looks whether the goroutine is inside before he says that he leaves", "PollerCloseLocked", "mg6"},
	{"Gr13", "G7", "who has left is polled", "PollerCloseInside", "mg7"},
	{"Gr14", "G7", "the orders are not looked at behind a run", "^TestPollerLeavesBehindRun$", "mg8"},
	{"Gr15", "group", "who leaves waits for the goroutine, wherever that is", "PollerCloseInside", "mg9"},
	{"Gr16", "G1", "who leaves is told of before he is among the leavers", "PollerCloseBusy", "mg1"},
	{"Gr17", "group", "who comes too late rings a descriptor that is closed", "^TestPollerWakeAfterClose$", ""},
}
