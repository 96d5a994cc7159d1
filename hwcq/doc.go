// Package hwcq defines what the engine needs from a hardware completion
// queue: the [CQ] interface, the work completion [WC] and the facts a driver
// declares about itself ([Capabilities]).
//
// The model is the one of RDMA verbs and of every interrupt-driven queue: the
// hardware writes completions into a ring; a consumer polls them without
// blocking; an event is raised only once per arming. Between the last empty
// poll and the arm a completion can slip in unannounced, so the one correct
// order is: arm, poll again, and only then sleep. The engine package does
// that; a driver only has to implement the pieces faithfully.
//
// Drivers live in sub-packages: mock (pure Go, every platform), rxe (Linux
// soft-RoCE over the uverbs ABI), verbs (any RDMA NIC, through libibverbs),
// uring, eventfd and timer.
package hwcq
