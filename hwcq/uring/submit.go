//go:build linux && (amd64 || arm64)

package uring

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// longCall is the work in a call of the kernel from which on the Go scheduler is told
// of it: requests, or pages of their buffers.
const longCall = 64

// Errors of the hot path, made once.
var (
	errSubmitClosed  = fmt.Errorf("uring: submit: %w", hwcq.ErrClosed)
	errSubmitUnbound = fmt.Errorf("uring: submit: the owner has unbound the ring: %w", hwcq.ErrClosed)
	errSubmitCorrupt = fmt.Errorf("uring: submit: %w", ErrCorrupt)
	errAllocClosed   = fmt.Errorf("uring: alloc: %w", hwcq.ErrClosed)
)

// Submit hands requests to the kernel, oldest first, and returns how many it took.
// What it took completes, each request in its own time; the ring copies the requests.
// Any goroutine may call it, several at once. It allocates nothing for requests whose
// memory is none of Go's ([Ring.Alloc]).
//
// Portable: they are handed over in the calling thread, which does the work of those
// that need not wait. Requests of a thread that exits are cancelled by the kernel, as
// happens to a goroutine that is locked to its thread. Owner: they are
// left to the owner, which hands them over at its next Poll or Wait.
//
// A chain of linked requests is taken whole or not at all; only where the kernel runs out
// of memory on the way is one cut, and n tells where. With n < len(reqs) the error
// says why it is not more: ErrFull names the limit (Depth requests in flight, or Entries
// that the kernel has not fetched yet) and goes away with completions, the latter of SQPoll
// a moment after them; ErrClosed after
// Close or Unbind; an errno of io_uring_enter, such as EAGAIN where the kernel lacks
// memory; a *param.Error about a request, of which nothing from its chain on was taken.
func (r *Ring) Submit(reqs []Request) (n int, err error) {
	if len(reqs) == 0 {
		return 0, nil
	}
	r.mu.Lock()
	if r.state.Load()&(stClosing|stUnbound|stCorrupt) != 0 {
		err = r.refusal()
	}
	for err == nil && n < len(reqs) {
		k, work, why := r.fill(reqs, n)
		if k > 0 {
			k, err = r.push(uint32(k), work)
			n += k
		} else if why != r.errEntries || !r.fetchAll() {
			err = why
		}
	}
	r.mu.Unlock()
	runtime.KeepAlive(r)
	return n, err
}

func (r *Ring) refusal() error {
	switch s := r.state.Load(); {
	case s&stClosing != 0:
		return errSubmitClosed
	case s&stCorrupt != 0:
		return errSubmitCorrupt
	}
	return errSubmitUnbound
}

// linkFlags are the SQE flags of a Link.
var linkFlags = [...]uint8{LinkNone: 0, LinkNext: sqeIOLink, LinkHard: sqeIOHardlink}

// fill writes as many whole chains of reqs, from the first on, as fit into free entries
// of the submission queue, without publishing them. n is how many requests that are,
// work what the kernel has to do for them. err says why n is 0.
func (r *Ring) fill(reqs []Request, first int) (n, work int, err error) {
	reqs = reqs[first:]
	room := r.space()
	if room < 0 {
		return 0, 0, errSubmitCorrupt
	}
	if room < len(reqs) {
		err = r.errEntries
	}
	room = min(room, len(reqs))
	if free := r.slots.available(); free < room {
		room, err = free, r.errDepth
	}
	pages, i := uint32(0), 0
	for ; i < room; i++ {
		q := &reqs[i]
		t := r.slots.take()
		t.wrid, t.qpNum = q.WRID, q.QPNum
		t.op, t.opcode = q.sqe.opcode, uint16(q.sqe.opcode.Opcode())
		e := r.sqe(r.tail + uint32(i))
		*e = q.sqe
		e.userData = t.userData
		if q.Link != LinkNone || q.Async || q.err != nil || q.group != nil || q.sqe.opcode == OpAsyncCancel {
			if bad := r.special(q, t, e, first+i); bad != nil {
				r.slots.putBack(1)
				err = bad
				break
			}
		}
		if q.buf != nil {
			pages += q.sqe.len / 4096
			if !r.arena.has(q.address()) {
				r.slots.hold(t, q)
			}
		}
	}
	for n = i; n > 0 && reqs[n-1].Link != LinkNone; n-- { // the rest of its chain is missing
	}
	if n < i {
		r.slots.putBack(i - n)
		switch {
		case i == len(reqs):
			err = r.badLink(first+i-1, reqs[i-1].Link, "LinkNone in the last request")
		case i > int(r.sqMask):
			err = param.Invalid("uring: Submit", "requests in a chain", fmt.Sprintf("more than %d", i), fmt.Sprintf("at most Entries, %d", i))
		}
	}
	return n, n + int(pages), err
}

func (r *Ring) badLink(i int, l Link, allowed string) error {
	return param.Invalid("uring: Submit", fmt.Sprintf("reqs[%d].Link", i), l, allowed)
}

// special writes what few requests need, and finds what is wrong with request i.
func (r *Ring) special(q *Request, t *slot, e *sqe, i int) error {
	bad := q.err
	if q.group != nil && bad == nil {
		bad = q.group.check(r)
		r.slots.join(t, q.group)
	}
	if bad != nil {
		return fmt.Errorf("uring: submit: reqs[%d]: %w", i, bad)
	}
	if q.Link > LinkHard {
		return r.badLink(i, q.Link, "LinkNone, LinkNext or LinkHard")
	}
	e.flags |= linkFlags[q.Link]
	if q.Async {
		e.flags |= sqeAsync
	}
	if q.sqe.opcode == OpAsyncCancel && q.sqe.opFlags&(cancelFD|cancelAny) == 0 {
		e.addr = r.slots.find(q.sqe.addr)
	}
	return nil
}

// fetchAll has the kernel fetch everything from the submission queue of an owner's
// ring. It can only on the owner's thread; elsewhere it asks the owner to.
func (r *Ring) fetchAll() bool {
	if !r.owned {
		return false
	}
	n := r.tail - r.sqHead.Load()
	r.submits++
	if got, e := r.enter(n, 0, longCall+1); e == 0 {
		return got > 0
	}
	r.note.nudge()
	return false
}

// space is how many entries of the submission queue can be written; -1 if the kernel's
// index makes no sense.
func (r *Ring) space() int {
	// Acquire: the kernel has read the entries before head; pairs with its
	// smp_store_release in io_commit_sqring.
	used := r.tail - r.sqHead.Load()
	if used > r.sqMask+1 {
		r.setState(stCorrupt)
		return -1
	}
	return int(r.sqMask + 1 - used)
}

// push publishes the n entries that fill wrote, and has the kernel fetch them, or
// somebody who can. It returns how many are on their way.
func (r *Ring) push(n uint32, work int) (int, error) {
	r.edge.publish()
	r.tail += n
	r.slots.taken += uint64(n)
	// Release: the entries before tail; pairs with the kernel's smp_load_acquire in
	// io_sqring_entries. It is a full barrier too: see below.
	if !r.direct {
		r.sqTail.Store(r.tail)
	} else {
		storeRelease(r.sqTail, r.tail)
	}
	switch {
	case r.owned:
		// After the store of the tail; pairs with the notifier's parked, which
		// is stored before it looks at the tail.
		r.note.nudge()
		return int(n), nil
	case r.conf.SQPoll:
		// After the store of the tail; pairs with the kernel's thread, which sets
		// the bit before it looks at the tail for the last time.
		if r.sqFlags.Load()&sqNeedWakeup == 0 {
			return int(n), nil
		}
		r.submits++
		_, e := r.enter(n, enterSQWakeup, 0)
		return int(n), enterError(e)
	}
	r.submits++
	got, e := r.enter(n, 0, work)
	if got == n && e == 0 {
		return int(n), nil
	}
	// The kernel looks at the tail in enter only, so the rest can be taken back.
	if got = min(got, n); e != 0 {
		got = 0
	}
	r.tail -= n - got
	r.sqTail.Store(r.tail)
	r.slots.taken -= uint64(n - got)
	r.slots.putBack(int(n - got))
	if e == 0 {
		e = unix.EAGAIN // it ran out of memory on the way
	}
	return int(got), enterError(e)
}

// enter is io_uring_enter, without waiting; got is how many entries were fetched. It is
// not interrupted, as what does not wait is not.
func (r *Ring) enter(n, flags uint32, work int) (got uint32, e unix.Errno) {
	switch {
	case r.fake != nil:
		return r.fake(n, flags)
	case work <= longCall:
		return sysRingEnter(r.fd, n, flags)
	}
	return sysRingEnterLong(r.fd, n, flags)
}

func enterError(e unix.Errno) error {
	if e == 0 {
		return nil
	}
	return fmt.Errorf("uring: submit: %w", os.NewSyscallError("io_uring_enter", e))
}
