// Package explore runs small concurrent scenarios through every interleaving
// of their atomic operations, up to a bound on preemptions, and reports the
// first one that goes wrong with a string that replays it.
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
