// Package explore runs small concurrent scenarios through every interleaving
// of their atomic operations, up to a bound on preemptions, and reports the
// first one that goes wrong with a string that replays it.
//
// It knows nothing of the code it runs. That code announces its atomic
// operations by [Point] and [Done], its plain accesses to shared memory by
// [Read] and [Write], and waits by [Block], [BlockTimeout] and [Spin]; a
// package of instrumented types does this for it under a build tag, and is
// nothing but aliases without (here: internal/atom). Tests call [Test] with a
// scenario, and [MustFail] with one that has a bug, to show that the scenario
// would notice.
//
// # How it works
//
// Threads are coroutines, so exactly one runs at any time and switching is
// cheap. Before each atomic operation a thread calls [Point], where the
// explorer decides who runs next. An execution is determined by the list of
// these decisions; [Run] enumerates the lists, running the scenario from its
// start for each. Go's atomics are sequentially consistent and programs
// without data races behave as if all memory was, so the interleavings of
// atomic operations, plus a check that plain accesses are ordered by them
// ([Read], [Write]), are the whole semantics.
//
// The happens-before edges are those of the Go memory model, as the race
// detector sees them: a load acquires what the store it reads from released,
// a read-modify-write does both, a failed compare-and-swap only acquires.
// Creating a thread, joining it, and the objects of package atom (Mutex,
// Cond, Token) give edges too.
//
// # Searches
//
// Options.Search chooses the executions:
//
//   - [DFS] takes every interleaving with at most Options.Preemptions
//     preemptions, 0 first, then 1, and so on: the first failure has as few of
//     them as possible. Most bugs need two (Musuvathi, Qadeer, "Iterative
//     context bounding", PLDI 2007). With Options.Merge it goes on once from a
//     state to which several of them lead.
//   - [DPOR] takes one interleaving of each class that differs only in the
//     order of independent operations, without a bound. Complete, and by far
//     smaller than all interleavings; for whole scenarios of the size that DFS
//     with a bound of 2 manages it may still be too many.
//   - [PCT] draws random priorities and Options.Depth-1 points where the
//     running thread loses its own: what is left when nothing is complete.
//   - [Random] decides by dice.
//
// The package checks itself: of thousands of random programs the outcomes that
// DFS, merging states or not, and DPOR find must be those of an independent
// enumerator of all interleavings.
//
// # Rules for scenarios
//
//   - The body and the threads must be deterministic: no time, no random
//     numbers, no map iteration, no goroutines of their own. A difference
//     that is noticed on the way fails the scenario with a clear message.
//   - Threads wait by [Block], [BlockTimeout] and [Spin], or by what package
//     atom makes of them. One that waits for a real channel or lock, or loops
//     without any operation, hangs the test. Everything between two
//     operations is atomic.
//   - [Spin] belongs into loops that only another thread's write can end. A
//     spinning thread rests until somebody writes, so a loop that gives up
//     after n turns must have its n set to zero under the explorer.
//   - Time is a choice: a timed wait may time out (see Options.Timeouts).
//     [X.Choose] makes other choices, for instance faults.
//   - A daemon is quiet when it is blocked, or when a turn of its loop writes
//     nothing. One that counts its idle turns in an atomic is never quiet.
//   - One scenario runs at a time in a process, and while it runs no other
//     goroutine may use the instrumented types.
package explore
