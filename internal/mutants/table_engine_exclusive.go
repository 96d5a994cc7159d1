package main

// engineExclusiveMutants are those of exclusive EVDs.
var engineExclusiveMutants = []mutant{
	{"J1", "J1", "an upcall runs without TAKE", "OwnInside|OwnNoLockedOps", ""},
	{"J1b", "J1", "the slot is handed on, and TAKE kept", "OwnBudget", "m84"},
	{"J2", "J2", "who lingers looks only whether it may", "OwnPost|OwnOnePost", "m81"},
	{"J2b", "J2", "it begins with MISS, which the next post does not change", "OwnPost|OwnOnePost", "m80"},
	{"J2c", "J2", "it clears MISS and does not look at the ring", "OwnPost|OwnOnePost", "m85"},
	{"J2d", "J2", "nor at what is behind it or aside", "OwnSpill", ""},
	{"J2e", "J2", "it begins though upcalls are disabled", "OwnTeardown|OwnModifyInside", "m82"},
	{"J2f", "J2", "an idle one does not read its orders", "OwnMode", ""},
	{"J2g", "J2", "it does not hear of Shutdown", "OwnShutdown", ""},
	{"J2h", "J2", "Shutdown does not tell it", "OwnShutdown", ""},
	{"J2i", "J2", "it shows no sign of life", "^TestExclusiveIsNotStuck$", ""},
	{"J2j", "J2", "nobody lingers", "OwnNoLockedOps", ""},
	{"J2k", "J2", "what was kept is kept for ever", "OwnKept", ""},
	{"J2l", "J2", "credits are not given back", "^TestExclusiveCredits$", ""},
	{"J2m", "J2", "the watchdog does not ask it for a look", "^TestExclusiveSlowIsNotStuck$", ""},
	{"J2n", "L3", "it polls on its way to sleep and does not say so", "^TestExclusivePolling$", ""},
	{"J2o", "J2", "its first poll is no look", "^TestExclusiveMissed$", ""},
	{"J3", "J3", "a Dequeue from inside gives back the TAKE of the run", "OwnInside", "m83"},
	{"J3b", "J3", "a Dequeue from inside takes as one from outside", "^TestExclusiveDequeue$", ""},
}
