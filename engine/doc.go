// Package engine turns completion queues that notify once per arming into
// event dispatchers (EVDs) whose upcall stays enabled until it is disabled,
// without losing an event in between.
//
// Start with [New], make an [EVD] with [Engine.NewEVD] and give it completion
// queues, an upcall, or both; software posts its own events with [EVD.Post].
// An upcall gets a batch of events through its [Upcall] handle. The consumer
// may disable upcalls, [EVD.Dequeue] by himself, and enable again: enabling is
// refused with [ErrEventsPending] while an event is pending in the ring or on
// a CQ, so that no event is ever left behind an enabled upcall. With upcalls
// disabled one goroutine may [EVD.Wait].
//
// An [Endpoint] ties queue pairs to the EVDs of their completions and connection
// events. [Engine.Async] is the EVD of what goes wrong and no call can return.
//
// All decisions of an EVD are compare-and-swaps on one state word (word.go).
// The transitions carry labels ([T], [R1].., [D], [E1].., [W1]..) that stand in
// ARCHITECTURE.md and in the model. The order "arm, then look again, then sleep" stands in
// arm.go and nowhere else.
package engine
