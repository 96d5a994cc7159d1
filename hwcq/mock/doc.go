// Package mock is a completion queue in plain memory, driven by simulated
// hardware. It is a test double for code that consumes a [hwcq.CQ], and the
// CQ of a benchmark that has no device.
//
// The memory is laid out as a mapped hardware CQ is: a producer index and a
// consumer index on lines of their own, and a power of two of slots holding
// work completions. Arming is a one-shot word that the hardware looks at
// after it has published the producer index; an armed CQ raises one event.
// Poll, Pending and Arm take no lock and use no channel.
//
// Start with [New]. What plays the hardware is up to the user:
//
//   - [CQ.Complete] and [CQ.CompleteN]: the caller, from any goroutine;
//   - [CQ.NewQP]: a loopback device. Work requests given to [QP.Submit] come
//     back as completions, after a service time drawn from a [Dist], by the
//     device's own goroutine, or at once by the submitter ([QPConfig].Inline);
//   - [CQ.Start]: an open stream of completions, paced by a [Dist].
//
// Everything random is seeded, so a run can be repeated. [Faults] scripts
// lost, duplicate, spurious and late events and failing arms. [Hooks] lets a
// test act inside the window in which a wake-up can be lost.
//
// In an execution of the interleaving explorer (build tag explore) Complete,
// inline QPs and QPs without Service are explored as they are; streams and
// service times need a clock and are not for it.
//
// In race builds and under the build tag invariants a second concurrent Poll
// or Wait panics.
package mock
