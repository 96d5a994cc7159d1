// Package cc measures rings written in C and C++, for comparison: DPDK's rte_ring,
// moodycamel's ConcurrentQueue, Boost's spsc_queue, the design of package ring written
// in C++ ("run"), what the processor can do at best, and the empty poll of a completion
// queue as libibverbs and its rxe provider do it.
//
// The code that runs is a C++ program, built from the sources embedded here and from
// the header libraries that the system has: Debian's libdpdk-dev, libconcurrentqueue-dev
// and libboost-dev. What is not installed is left out, and [Build] says what that is.
//
// The program reads a request a line and answers with a line, both JSON:
//
//	{"impl":"rte-mp","shape":"U1","event":16,"ms":1.5,"batch":32}
//	{"ns":11.9179,"ok":true,"nivcsw":0,"n":126721}
//	{"impl":"none"}
//	{"error":"no impl none here"}
//
// {"impl":"list"} asks for what there is. Impls and shapes:
//
//	rte-mp rte-sp rte-rts rte-hts   rte_ring by its elem functions, one consumer
//	moodycamel boost-spsc
//	run run-all                     our design: of an event its number is written, all of it
//	  U1      one thread pushes one, pops one
//	  U32     one thread pushes a batch one by one, pops it one by one
//	  UB      one thread pushes a batch at once, pops it at once
//	  1P1C    a producer and a consumer on two CPUs; the consumer times it
//	  2P1C    and so on to 16P1C: not pinned; rte-sp and boost-spsc have only 1P1C
//	  1P1Cb   and so on to 16P1Cb: in batches
//	  LAT     one way between two CPUs
//	cas xchg cas+xchg mutex          shape limit: one thread, its own lines
//	pingpong                         shape limit: one way of a line between two CPUs
//	stream16 stream64                shape limit: 256 KiB of events, published 32 at a time
//	cpoll                            shape poll: an empty poll
//
// Events are 16, 32 or 64 bytes and begin with their number; the sum of the numbers that
// come out is checked. A queue is made afresh for each sample and has 1024 places;
// moodycamel's has memory for as many of each of 16 producers. ns is the time of one
// event, in and out. n is how many events: a sample of 1P1C and its like ends 20 ms
// beyond its time, with those that came until then. So much can it be where producers
// outnumber the CPUs: those of rte_ring wait for each other without yielding, and when
// each has a place reserved two events go through in a turn of the scheduler.
//
// Not here, since no package of Debian's has it: rigtorp's MPMCQueue.
package cc
