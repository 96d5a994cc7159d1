package main

// ringMutants are those of package ring.
var ringMutants = []mutant{
	{"r01", "P4", "published before it is written", "singles", ""},
	{"r02", "P4", "a run is published before it is written", "batches|runs", ""},
	{"r03", "P1", "the credit is older than the ticket", "full|singles", ""},
	{"r04", "P1", "a closed ring accepts", "closing|closer", ""},
	{"r05", "P2", "one event too many", "full|singles", ""},
	{"r06", "P2", "unsigned: a stale ticket finds the ring full", "full|singles|room", ""},
	{"r07", "P3", "the ticket is stored, not exchanged", "singles", ""},
	{"r08", "P2", "more than there is room for", "room|parts", ""},
	{"r09", "P3", "a run is stored, not exchanged", "room|parts", ""},
	{"r10", "P4", "a run that is one too short", "batches|runs", ""},
	{"r11", "P5", "Close overwrites a ticket", "closing|closer", ""},
	{"r12", "P6", "Idle looks at the ticket first", "idling", ""},
	{"r13", "C4", "in flight is called empty", "singles|closing", ""},
	{"r14", "C1", "a word of an older lap counts", "singles|runs", ""},
	{"r15", "C2", "a run behind that is not committed", "runs|batches", ""},
	{"r16", "Ready", "past the end of the ring", "runs|batches", ""},
	{"r17", "settle", "the credit stays with the consumer", "full|singles", ""},
	{"r18", "C3", "one slot too many is given back", "full|singles", ""},
	{"r19", "C3", "a slot is given back before it is read", "singles|full", ""},
	{"r20", "C3", "a run is given back when it is lent", "runs|held|batches", ""},
	{"r21", "C4", "an empty ring keeps its credit", "^TestCredit$", ""},
}
