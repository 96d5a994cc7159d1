package main

// engineViewMutants are about changes of mode, and what a Wake asks of a poller.
var engineViewMutants = []mutant{
	{"M1", "M1", "a poller that sleeps is not told of another mode", "SwitchMode", "mv1"},
	{"M1b", "M1", "it is woken before the mode is there", "SwitchMode", "mv2"},
	{"M2", "M2", "a pass is decided by two loads of the mode", "SwitchMode", ""},
	{"M3", "M3", "from polling to events without an arm and a look", "SwitchMode", "mv3"},
	{"P13", "P4", "a Wake has a polling poller poll, and no more", "BorrowedPumpAdaptive", "mv4"},
}
