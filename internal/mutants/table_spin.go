package main

// engineSpinMutants are about waiters that spin, and how long who waits polls.
var engineSpinMutants = []mutant{
	{"SP1", "spin", "a waiter that spins looks for events and for nothing else", "SpinWaitEnds", ""},
	{"SP2", "spin", "it announces that it sleeps, and spins", "SpinWait", ""},
	{"SP3", "spin", "it has spun, and sleeps without an announcement", "SpinWait|SpinWaitCQ", ""},
	{"SP4", "spin", "one that has spun keeps others from it", "SpinWait", ""},
	{"SP5", "patience", "who has none polls no more, whatever comes", "^TestPatience$", ""},
	{"SP6", "patience", "one long gap makes it less", "^TestPatience$", ""},
	{"SP7", "patience", "the wake-up counts as part of the gap", "^TestPatience$", ""},
	{"SP8", "patience", "gaps between the limit and twice that make it less", "^TestPatience$", ""},
	{"SP10", "L2", "a poller without patience sleeps and does not arm", "Impatient", ""},
	{"SP11", "spin", "it spins on when Shutdown has begun", "SpinWaitShutdown", ""},
	{"SP12", "patience", "who gave up has not waited in vain", "^TestSpinnerLearns$", ""},
	{"SP13", "patience", "a sleep is ended by an event", "^TestSpinnerLearns$", ""},
	{"SP9", "patience", "an event that came in time is not counted against long gaps", "^TestPatience$", ""},
}
