package main

// ringLaneMutants are those of the lane.
var ringLaneMutants = []mutant{
	{"y01", "Y2", "published before it is written", "^TestExploreLane$/^runs$|^TestExploreLane$/^closing$", ""},
	{"y02", "Y2", "a fast push publishes before it writes", "^TestExploreLane$/^singles$|^TestExploreLane$/^tries$", ""},
	{"y03", "Y3", "CommitRelease publishes one event more", "^TestExploreLane$/^release$", ""},
	{"y04", "Y1", "the producer has room for one too many", "^TestExploreLane$/^full$|^TestExploreLane$/^runs$", ""},
	{"y05", "Y1", "a fast push finds room for one too many", "^TestExploreLane$/^singles$|^TestExploreLane$/^tries$|^TestExploreLane$/^full$", ""},
	{"y06", "Y1", "the producer does not look for new credit", "^TestExploreLane$/^full$|^TestExploreLane$/^runs$", ""},
	{"y07", "Y4", "a slot is given back before it is read", "^TestExploreLane$/^singles$|^TestExploreLane$/^full$", ""},
	{"y08", "Y4", "a run is given back when it is lent", "^TestExploreLane$/^runs$", ""},
	{"y09", "Y4", "the credit stays with the consumer", "^TestLaneCredit$", ""},
	{"y10", "Y4", "the credit of fast pops stays with the consumer", "^TestExploreLane$/^full$", ""},
	{"y11", "Y5", "what was seen once is not looked at again", "^TestExploreLane$/^full$", ""},
	{"y12", "Y6", "Return keeps the credit", "^TestLaneCredit$", ""},
	{"y13", "Y7", "Idle looks at the tail first", "^TestExploreLane$/^idling$", ""},
	{"y14", "Y2", "Close forgets what was committed", "^TestExploreLane$/^closing$", ""},
	{"y15", "Y5", "the closed bit is taken for events", "^TestLaneClose$", ""},
	{"y16", "Ready", "past the end of the ring", "^TestExploreLane$/^runs$", ""},
	{"y17", "Y4", "an empty lane keeps its credit", "^TestLaneCredit$", ""},
}
