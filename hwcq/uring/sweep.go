//go:build linux && (amd64 || arm64)

package uring

// sweepData is the user_data of the NOPs that sweep submits: no slot's.
const sweepData = noSlot

// sweep is for a portable ring whose completion queue was seen full. The kernel may
// have seen the same, and not said so yet: it then keeps the completion, and all later
// ones, without a signal, however much room there is by now. It decides and says so
// under one lock (completion_lock, io_uring/io_uring.c), which the completion of a NOP
// needs too. So after a NOP either CQ_OVERFLOW is to be seen, or no completion that
// comes from now on is kept for what was full before. (The NOP alone must not fill the
// queue: hence the least Depth.)
//
// (With SQPoll the NOP is done by the kernel's thread, in its own time: that leaves a
// window, which the engine's watchdog closes.)
func (r *Ring) sweep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.And(^uint32(stFull)) // before the NOP: a queue that is full after it is swept again
	if r.state.Load()&(stClosing|stCorrupt) != 0 {
		return // nobody sleeps over it any more
	}
	if r.space() < 1 {
		r.setState(stFull) // with SQPoll only: next time
		return
	}
	*r.sqe(r.tail) = sqe{opcode: OpNop, userData: sweepData}
	r.edge.publish()
	r.tail++
	r.sqTail.Store(r.tail) // as in push
	flags := uint32(0)
	if r.conf.SQPoll {
		if r.sqFlags.Load()&sqNeedWakeup == 0 {
			return
		}
		flags = enterSQWakeup
	}
	over := r.conf.SQPoll && r.sqFlags.Load()&sqCQOverflow != 0
	r.submits++
	if got, e := r.enter(1, flags, 1); (got == 0 || e != 0) && !r.conf.SQPoll {
		r.tail--
		r.sqTail.Store(r.tail)
		r.setState(stFull) // the kernel lacks memory: next time
	}
	if over && r.sqFlags.Load()&sqCQOverflow == 0 {
		r.overflows.Add(1) // Linux 6.1 fetches what it held back in every call with SQPoll
	}
}
