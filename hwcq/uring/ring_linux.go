//go:build amd64 || arm64

package uring

import (
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/mapped"
	"github.com/evdengine/evd/internal/pad"
)

var (
	_ hwcq.CQ          = (*Ring)(nil)
	_ hwcq.ThreadBound = (*Ring)(nil)
)

// Ring is one io_uring: a [hwcq.CQ] to which requests are submitted. See the package
// comment for the two shapes, and for what becomes of memory.
//
// Concurrency: one goroutine at a time gets completions from Poll, a second one gets
// none; everything else, Close included, from any goroutine at any time. Of an Owner
// ring, Bind, Unbind and the event source's Wait and TryWait belong to the owner's
// thread.
// Progress: Poll and Pending are wait-free but for the system call that Poll may make;
// Submit holds a mutex, during its system call too.
// Ownership: who opened it closes it. A ring that was not closed is kept for ever:
// the kernel may still be writing to its memory.
//
// Close beside everything: the pages of the rings are replaced in place by blank ones,
// and their address range is given back when the Ring is garbage.
type Ring struct {
	rings
	fd     int
	owned  bool // Shape is Owner
	direct bool // submitters enter the kernel, which looks at the tail only then
	conf   Config
	slots  slots
	src    source
	bell   *eventFD
	edge   edge
	pages  [2]mapped.Pages // of the rings

	errDepth, errEntries error                                                 // made once
	fake                 func(submit, flags uint32) (got uint32, e unix.Errno) // a test's kernel; nil: the real one
	feats                uint32

	// state is a set of st bits, 0 in a ring that is just open.
	state atom.Uint32
	note  notifier

	_       pad.Line
	mu      atom.Mutex // submitters, arena, ownership
	tail    uint32     // guarded by mu; sqTail
	submits uint64     // guarded by mu; enters by submitters
	arena   arena      // guarded by mu
	owner   owner      // guarded by mu
	// groups are the groups of buffers that are registered. Guarded by mu.
	groups map[uint16]*Buffers
	_      pad.Line

	enters, overflows, strange atom.Uint64 // Writers: the consumer; enters are those that are not submitters'

	closeMu atom.Mutex
	warm    atom.Uint32 // a guess, see fetch. Writers: the owner in Wait, who polls
	stash   stash
}

// Bits of Ring.state.
const (
	stClosing = 1 << iota // Close was called: nothing is submitted any more
	stClosed              // nothing is left
	stUnbound             // an owner has left: nothing is submitted until it is back
	stCorrupt             // the rings hold nonsense: nothing is read any more
	stStash               // completions are in the stash
)

func (r *Ring) setState(bits uint32) { r.state.Or(bits) }

// Open makes a ring. The kernel's limits and what it lacks are told in the error, which
// matches [hwcq.ErrUnavailable] or [hwcq.ErrNotSupported] where io_uring cannot be used,
// and the errno of the system call that failed; problems of the configuration match
// param.ErrInvalid.
func Open(c Config) (*Ring, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	bell, err := openEventFD(c.Shape == Owner)
	if err != nil {
		return nil, err
	}
	k, err := openKernelRing(c)
	if err != nil {
		return nil, errors.Join(err, bell.close())
	}
	fd := int32(bell.fd)
	if e := sysRingRegister(k.fd, registerEventFD, &fd, 1); e != 0 {
		return nil, errors.Join(fmt.Errorf("uring: open: the eventfd: %w", e), k.release(), bell.close())
	}
	r := newRing(c, k, bell)
	k.cqFlags.Store(cqEventFDDisabled) // until it is armed
	keepAlive.add(r)
	return r, nil
}

// newRing makes a Ring of its parts.
func newRing(c Config, k *kernelRing, bell *eventFD) *Ring {
	depth, entries := int(k.cqMask)+1, int(k.sqMask)+1
	r := &Ring{
		rings: k.rings, fd: k.fd, feats: k.features, pages: [2]mapped.Pages{k.ring, k.entries},
		owned: c.Shape == Owner, direct: c.Shape != Owner && !c.SQPoll, conf: c, bell: bell,
		errDepth:   fmt.Errorf("uring: submit: %w: %d requests in flight, the ring's Depth", hwcq.ErrFull, depth),
		errEntries: fmt.Errorf("uring: submit: %w: %d requests that the kernel has not fetched, the ring's Entries", hwcq.ErrFull, entries),
	}
	r.slots.init(depth)
	r.note.owned, r.note.cqFlags, r.note.cqTail, r.note.bell = r.owned, r.cqFlags, r.cqTail, bell
	r.src.r = r
	r.owner.left = make(chan struct{}, 1)
	return r
}

// FD is the file descriptor of the ring, for io_uring_register and the like. It is the
// ring's: do not close it.
func (r *Ring) FD() int { return r.fd }

// Capabilities declares what a ring does; see [hwcq.CQ].
func (r *Ring) Capabilities() hwcq.Capabilities {
	return hwcq.Capabilities{
		Driver:        "uring",
		Depth:         int(r.cqMask) + 1,
		ArmIdempotent: true,
		ReportsMissed: r.conf.Shape == Portable && !r.conf.CoopTaskrun, // else work, of which a completion may come
		Overrun:       hwcq.OverrunRecoverable,
	}
}

var (
	errArmClosed  = fmt.Errorf("uring: arm: %w", hwcq.ErrClosed)
	errArmCorrupt = fmt.Errorf("uring: arm: %w", ErrCorrupt)
)

// Arm asks for one event; see [hwcq.CQ]. solicitedOnly makes no difference. It reads and
// writes only memory. missed is true as well where the kernel holds completions back, or
// work of which they come: a Poll gets them out.
func (r *Ring) Arm(solicitedOnly bool) (missed bool, err error) {
	if s := r.state.Load(); s&(stClosing|stCorrupt) != 0 {
		if s&stClosing != 0 {
			return false, errArmClosed
		}
		return false, errArmCorrupt
	}
	r.note.arm()
	// [U3] After the arm: pairs with [U1] and [U2]. Not at the tail alone: see Pending.
	missed = r.cqTail.Load() != r.cqHead.Load() || r.sqFlags.Load()&(sqCQOverflow|sqTaskrun) != 0 || r.state.Load()&stStash != 0
	runtime.KeepAlive(r)
	return missed, nil
}

// Events is where the events arrive; see [hwcq.CQ].
func (r *Ring) Events() hwcq.EventSource { return &r.src }
