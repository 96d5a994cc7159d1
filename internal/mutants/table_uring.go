package main

// uringMutants are those of package hwcq/uring.
var uringMutants = []mutant{
	{"Ur1", "U3", "Arm looks before it arms", "Ring", "mu01"},
	{"Ur2", "U3", "looks at the tail only", "RingOverflow", "mu02"},
	{"Ur3", "U1", "the word is cleared before the arm is there", "RingElsewhere", "mu03"},
	{"Ur3b", "U2", "the word is not cleared", "Ring", ""},
	{"Ur4", "U4", "the arm is taken, then the next one disabled", "RingElsewhere", "mu04"},
	{"Ur5", "U4", "the signal of one arm uses up another", "Ring", "mu05"},
	{"Ur6", "U5", "an arm that came between stays disabled", "RingElsewhere", "mu06"},
	{"Ur7", "U6", "asleep after a look at the tail only", "Owner", "mu07"},
	{"Ur8", "U6", "the word is cleared after the call", "Owner", "mu08"},
	{"Ur9", "U9", "an arm is used up without a completion", "Owner", "mu12"},
	{"Ur10", "U7", "parked after the looks", "OwnerClose", "mu09"},
	{"Ur11", "U7", "parked once, not for each sleep", "OwnerSubmit|RingWake|OwnerClose", "mu10"},
	{"Ur12", "U8", "looks at parked before there is something to see", "RingWake", "mu11"},
	{"Ur13", "U8", "requests ring nobody", "OwnerSubmit", ""},
	{"Ur14", "U0", "a Wake that came with a signal is forgotten", "RingWake", "mu13"},
}
