package main

// engineCapacityMutants are those of what an EVD can hold, and of whose turn it is.
var engineCapacityMutants = []mutant{
	{"O1", "O1", "an event in the list tells nobody", "Spill", "mo05"},
	{"O1b", "O1", "the mark goes up after the lock", "SpillDequeue|Spill", "mo06"},
	{"O1c", "O1", "the list is not closed with the ring", "^TestSpillClosed$", ""},
	{"O1d", "O1", "the list is full while the ring has room", "^TestSpillLimit$", ""},
	{"O2", "O2", "the ring is seen empty before the lock", "Spill|SpillDequeue", "mo01"},
	{"O2b", "O2", "a place in flight counts as an empty ring", "SpillInFlight", "mo02"},
	{"O2c", "O2", "the mark falls before the last is taken", "Spill|SpillInside", "mo03"},
	{"O2d", "O2", "the drain hands the list out before the ring", "SpillClose", "mo10"},
	{"O3", "O3", "a producer puts an event into the ring, past those in the list", "Spill|SpillInside", "mo04"},
	{"O4", "O4", "completions keep the ring filled, and the list waits", "SpillPump", "mo07"},
	{"O4b", "O4", "after STALL the pump looks at the ring only: nobody starts it", "SpillPump", "mo08"},
	{"O9", "X1", "a direct hand-off goes ahead of the list", "SpillDirect", "mo09"},
	{"O10", "wait", "a waiter does not count the list", "SpillWait", ""},
	{"O5", "O5", "the mark goes up after the lock", "Urgent", "mo12"},
	{"O5b", "O5", "an event joins the list behind the drain", "UrgentClose", "mo13"},
	{"O5c", "O5", "it is looked for before the ring only: one behind it comes first", "Urgent", "mo14"},
	{"O5d", "O5", "and before the list behind the ring", "UrgentSpill", ""},
	{"O24", "X1", "a direct hand-off goes ahead of connection events", "UrgentDirect", "mo11"},
	{"O25", "take", "connection events wait behind the ring", "^TestUrgent$", ""},
	{"O20", "classes", "there are no classes", "^TestPriority$", ""},
	{"O21", "classes", "urgent runs keep the others waiting for ever", "^TestClassList$", ""},
	{"O22", "runq", "all EVDs weigh the same", "^TestWeight$", ""},
	{"O23", "watchdog", "it looks at the same EVD again and again", "^TestScaleWatchdog$", ""},
}
