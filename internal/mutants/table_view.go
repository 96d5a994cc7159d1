package main

// engineViewMutants are about changes of mode, and what a Wake asks of a poller.
var engineViewMutants = []mutant{
	{"M1", "M1", "a poller that sleeps is not told of another mode", "SwitchModePost", "mv1"},
	{"M1b", "M1", "it is woken before the mode is there", "SwitchModeTwice", "mv2"},
	{"M1c", "M1", "another mode takes the other orders back", "SwitchModeClose", ""},
	{"M2", "M2", "a pass is decided by two loads of the mode", "SwitchMode", ""},
	{"M3", "M3", "from polling to events without an arm and a look", "SwitchModeInside", "mv3"},
	{"M3b", "M3", "the arm fails and it sleeps all the same", "SwitchModeArmError", ""},
	{"M3c", "M3", "the arm fails and nobody polls meanwhile", "^TestSetModeArmFails$", ""},
	{"P13", "P4", "a Wake has a polling poller poll, and no more", "BorrowedPumpAdaptive", "mv4"},
}
