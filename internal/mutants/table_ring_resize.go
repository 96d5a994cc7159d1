package main

// ringResizeMutants are those of the chain of rings.
var ringResizeMutants = []mutant{
	{"z01", "Z2", "sealed before the next ring is linked", "^TestExploreChainGrowing$|^TestExploreChainSlow$", "mz01"},
	{"z02", "Z3", "Close stops at a sealed ring", "^TestExploreChainShut$|^TestExploreChainShut2$", "mz02"},
	{"z03", "Z6", "the consumer leaves a ring with a slot in flight", "^TestExploreChainSlow$", "mz03"},
	{"z04", "Z5", "a closed ring is sealed", "^TestExploreChainShut$|^TestExploreChainShut2$", "mz04"},
	{"z05", "Z4", "who looks looks at the first ring only", "^TestExploreChainWatched$", "mz05"},
	{"z06", "Z5", "the seal is set, not exchanged", "^TestExploreChainGrowing$|^TestExploreChainSlow$|^TestExploreChainTwice$", "mz06"},
	{"z07", "Z6", "empty, and sealed by a later word", "^TestExploreChainGrowing$|^TestExploreChainTwice$", "mz07"},
	{"z08", "Z7", "a ring that holds something is taken out", "^TestExploreChainUnlinking$", "mz08"},
	{"z09", "Z1", "producers get the ring before the seal", "^TestExploreChainGrowing$|^TestExploreChainTwice$|^TestExploreChainSlow$", "mz09"},
	{"z10", "Z7", "empty rings are not taken out", "^TestChainLength$", ""},
	{"z11", "Z5", "what is held is not looked at again with the seal", "^TestExploreChainLinear$", "mz10"},
	{"z12", "Z7", "a ring that is taken out leads nowhere", "^TestExploreChainUnlinking$|^TestExploreChainTwice$", ""},
	{"z13", "Committed", "what is committed in the next ring does not count", "^TestChainCounts$", ""},
	{"z14", "Close", "a seal closes", "^TestExploreChainShut$", ""},
}
