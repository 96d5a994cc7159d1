// Package ring has the queue between many producers and one consumer: a
// bounded, lock-free MPSC ring with batches, in-place slots and a close that
// no producer can misread.
//
// [MPSC] is the type to start with. Producers reserve a run of slots, write
// them and commit; a run of any length costs one compare-and-swap and one
// exchange, or, for a consumer who polls, on amd64 a plain store instead of that
// ([MPSC.CommitRelease]). The consumer either copies events out ([MPSC.Pop],
// [MPSC.PopN]) or reads them where they are ([MPSC.Ready], [MPSC.Advance]).
//
// [Chain] is the same with a Resize, at any time and beside everybody. [Lane] is for
// one producer.
//
// The methods whose names begin with Try are the fast paths, and for callers who count
// nanoseconds: the compiler puts them into the caller. What they answer when it is not
// yes says nothing; the method without Try does.
//
// A slot that a producer reserved and has not committed yet is "in flight".
// It is neither an event nor the end of the queue, and an empty look that
// ignored it would not be linearizable: a Push that returned would be
// invisible because an older producer is slow. So looking at the ring has
// three answers: [Event], [Empty], [InFlight].
package ring
