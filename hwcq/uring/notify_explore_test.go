//go:build explore && linux && (amd64 || arm64)

package uring

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
	"github.com/evdengine/evd/internal/mapped"
)

// kern is the kernel's side of a ring in the explorer: the real Ring over plain memory,
// with threads that do to it what the kernel does, step by step (io_uring/io_uring.c,
// Linux 6.1). It is what model/uring.pml has under "the kernel".
type kern struct {
	x    *explore.X
	r    *Ring
	mem  [2][]uint64
	bell exploreBell
	work atom.Uint32 // owner: task work that is queued
	held int         // completions that did not fit
	slow bool        // see post
	next uint64      // user_data of the next completion, of no request
	lock atom.Mutex  // the kernel's completion_lock
	got  int
	nops int // requests that were fetched, and are done then
}

func openKern(x *explore.X, c Config) *kern {
	k := &kern{x: x}
	p := params{
		sqEntries: uint32(c.entries()), cqEntries: uint32(c.depth()), flags: setupNoSQArray,
		sqOff: sqOffsets{head: 0, tail: 4, mask: 16, entries: 24, dropped: 32, flags: 36},
		cqOff: cqOffsets{head: 64, tail: 68, mask: 20, entries: 28, flags: 40, overflow: 44, cqes: 128},
	}
	pages := func(i int, size uintptr) mapped.Pages {
		k.mem[i] = make([]uint64, size/8)
		return mapped.Pages{Base: unsafe.Pointer(&k.mem[i][0]), Size: size}
	}
	kr := &kernelRing{fd: -1, ring: pages(0, ringSize(&p)), entries: pages(1, sqeSize*uintptr(p.sqEntries))}
	words := unsafe.Slice((*uint32)(kr.ring.Base), 16)
	words[p.sqOff.mask/4], words[p.cqOff.mask/4] = p.sqEntries-1, p.cqEntries-1
	var err error
	if kr.rings, err = newRings(&p, kr.ring, kr.entries); err != nil {
		x.Failf("%v", err)
	}
	words[p.cqOff.flags/4] = cqEventFDDisabled
	k.r = newRing(c, kr, nil)
	k.r.fake = k.enter
	k.bell.token = atom.NewToken()
	k.r.note.bell = &k.bell
	x.Label(unsafe.Pointer(k.r.cqTail), "tail")
	x.Label(unsafe.Pointer(k.r.cqHead), "head")
	x.Label(unsafe.Pointer(k.r.cqFlags), "eventfd disabled")
	x.Label(unsafe.Pointer(k.r.sqFlags), "sq flags")
	x.Label(unsafe.Pointer(k.r.sqTail), "sq tail")
	x.Label(unsafe.Pointer(&k.r.note.armed), "armed")
	x.Label(unsafe.Pointer(&k.r.note.parked), "parked")
	x.Label(unsafe.Pointer(&k.r.note.woken), "woken")
	x.Label(unsafe.Pointer(&k.work), "work")
	return k
}

// exploreBell is the eventfd.
type exploreBell struct {
	token atom.Token
	count uint64
}

func (b *exploreBell) add(n uint64) {
	b.token.Signal()
	b.count += n
}

func (b *exploreBell) ring() error { b.add(wakeCount); return nil }

func (b *exploreBell) wait() (uint64, error) {
	b.token.Wait()
	n := b.count
	b.count = 0
	return n, nil
}

func (b *exploreBell) try() (uint64, error) {
	if !b.token.TryWait() {
		return 0, nil
	}
	n := b.count
	b.count = 0
	return n, nil
}

// post shows a completion, or keeps it (io_cqring_event_overflow). That the queue is
// full and the flag that says so are one step, unless slow: see
// TestExploreRingOverflowWindow.
func (k *kern) post() (shown bool) {
	r := k.r
	if tail := r.cqTail.Load(); k.held == 0 && tail-r.cqHead.Load() <= r.cqMask {
		k.next++
		*r.cqe(tail) = cqe{userData: messageBit | k.next} // of another ring: it needs no slot
		r.cqTail.Store(tail + 1)
		return true
	}
	k.held++
	r.sqFlags.Or(sqCQOverflow)
	if !k.slow && k.held == 1 && peek(r.cqTail)-peek(r.cqHead) <= r.cqMask {
		*(*uint32)(unsafe.Pointer(r.sqFlags)) &^= sqCQOverflow // nobody has seen it
		k.held = 0
		return k.post()
	}
	return false
}

// peek loads without a step of the explorer's.
func peek(w *atom.Uint32) uint32 { return *(*uint32)(unsafe.Pointer(w)) }

// signal is io_eventfd_signal.
func (k *kern) signal() {
	if k.r.cqFlags.Load()&cqEventFDDisabled == 0 {
		k.bell.add(1)
	}
}

// completes is n operations that end: io_req_local_work_add, or the completion itself.
func (k *kern) completes(n int) {
	for range n {
		switch {
		case !k.r.owned:
			k.lock.Lock()
			shown := k.post()
			k.lock.Unlock()
			if shown {
				k.signal()
			}
		case k.work.Add(1) == 1:
			k.r.sqFlags.Or(sqTaskrun)
			k.signal()
		}
	}
}

// enter is io_uring_enter with GETEVENTS, on the owner's thread where there is one.
func (k *kern) enter(n, _ uint32) (uint32, unix.Errno) {
	r, shown := k.r, false
	for range n { // NOPs: they are done when they are fetched
		head := r.sqHead.Load()
		tail := r.cqTail.Load()
		*r.cqe(tail) = cqe{userData: r.sqe(head).userData}
		r.cqTail.Store(tail + 1)
		r.sqHead.Store(head + 1)
		k.nops++
		shown = true
	}
	if r.owned {
		r.sqFlags.And(^uint32(sqTaskrun))
		for range k.work.Swap(0) {
			shown = k.post() || shown
		}
	}
	k.lock.Lock()
	if r.sqFlags.Load()&sqCQOverflow != 0 { // io_cqring_overflow_flush
		r.sqFlags.And(^uint32(sqCQOverflow))
		n := k.held
		k.held = 0
		for range n {
			shown = k.post() || shown
		}
	}
	k.lock.Unlock()
	if shown {
		k.signal()
	}
	return n, 0
}

// take is a consumer's Poll, until nothing is left.
func (k *kern) take() {
	var wcs [2]hwcq.WC
	for {
		n := k.r.Poll(wcs[:])
		if n == 0 {
			return
		}
		k.got += n
	}
}

// arm arms, and answers whether the consumer must look again.
func (k *kern) arm() bool {
	missed, err := k.r.Arm(false)
	if err != nil {
		k.x.Failf("%v", err)
	}
	if k.r.Capabilities().ReportsMissed {
		return missed
	}
	return k.r.Pending()
}

// wait is EventSource.Wait without what it asks of the thread.
func (k *kern) wait() (event, leave bool) {
	var err error
	if k.r.owned {
		event, leave, err = k.r.note.ownerWait(k.r)
	} else {
		event, err = k.r.note.wait()
	}
	if err != nil {
		k.x.Failf("%v", err)
	}
	return event, leave
}

// poller takes, arms, looks and sleeps, until the ring is closed.
func (k *kern) poller() {
	for {
		k.take()
		if k.arm() {
			continue
		}
		before := peek(k.r.cqTail) // at the arm or later
		event, leave := k.wait()
		if leave {
			return
		}
		if event && k.r.note.armed.Load() == 0 && peek(k.r.cqTail) == before && peek(k.r.cqHead) == before {
			k.x.Failf("an arm is used up, and no completion came after it")
		}
	}
}

// rests checks, when nothing moves any more, that n completions have been taken.
func (k *kern) rests(n int) {
	k.x.Check(func() {
		switch note := &k.r.note; {
		case k.got != n:
			k.x.Failf("%d completions taken of %d", k.got, n)
		case note.woken.Load() != 0:
			k.x.Failf("a Wake was not heard")
		}
	})
}

func exploreRing(t *testing.T, body func(x *explore.X)) {
	explore.Test(t, explore.Options{Preemptions: 2}, body)
}

var (
	portable = Config{Entries: 4, Depth: 4}
	owned    = Config{Entries: 4, Depth: 4, Shape: Owner}
)

// consumer takes and arms where the poller only waits, and tells it.
func (k *kern) consumer() {
	told := atom.NewToken()
	k.x.Daemon("poller", func() {
		for {
			if _, leave := k.wait(); leave {
				return
			}
			told.Signal()
		}
	})
	k.x.Daemon("consumer", func() {
		var wcs [2]hwcq.WC
		for {
			if k.r.owned { // what the kernel shows to its owner only, that one brings in
				k.got += k.visible(wcs[:])
			} else {
				k.take()
			}
			k.arm()
			if k.r.cqTail.Load() == k.r.cqHead.Load() {
				told.Wait()
			}
		}
	})
}

// visible is a Poll elsewhere than on the owner's thread.
func (k *kern) visible(wcs []hwcq.WC) int {
	if k.r.cqTail.Load() == k.r.cqHead.Load() || !k.r.slots.lock() {
		return 0
	}
	defer k.r.slots.unlock()
	return k.r.take(wcs)
}

// submit is a goroutine that submits n requests, one at a time.
func (k *kern) submit(n int) {
	for range n {
		if _, err := k.r.Submit([]Request{Nop()}); err != nil {
			k.x.Failf("%v", err)
		}
	}
}

// A waiter takes, arms, looks and sleeps, and loses nothing; each arm is used up by a
// completion after it.
func TestExploreRing(t *testing.T) {
	exploreRing(t, func(x *explore.X) {
		k := openKern(x, portable)
		x.Daemon("poller", k.poller)
		x.Go("kernel", func() { k.completes(3) })
		k.rests(3)
	})
}

// More completions than places: the kernel signals nothing for what it keeps.
func TestExploreRingOverflow(t *testing.T) {
	exploreRing(t, func(x *explore.X) {
		k := openKern(x, Config{Entries: 1, Depth: 1})
		x.Daemon("poller", k.poller)
		x.Go("kernel", func() { k.completes(2) })
		k.rests(2)
	})
}

// What nothing here can repair: the kernel finds the queue full, and before it says so
// the consumer has emptied it, armed and looked. From then on everything goes to the
// overflow list, without a signal. (Only more completions than Depth get there:
// multishot requests and messages.) The engine's watchdog finds it: Pending is true.
func TestExploreRingOverflowWindow(t *testing.T) {
	explore.MustFail(t, explore.Options{}, func(x *explore.X) {
		k := openKern(x, Config{Entries: 1, Depth: 1})
		k.slow = true
		x.Daemon("poller", k.poller)
		x.Go("kernel", func() { k.completes(2) })
		k.rests(2)
	})
}

// Who arms is not who waits.
func TestExploreRingElsewhere(t *testing.T) {
	exploreRing(t, func(x *explore.X) {
		k := openKern(x, portable)
		k.r.cqFlags.Store(0) // by an arm whose event was taken before it had cleared the word
		k.consumer()
		x.Go("kernel", func() { k.completes(3) })
		k.rests(3)
	})
}

// A Wake is heard, with a completion or without.
func TestExploreRingWake(t *testing.T) {
	for _, c := range []Config{portable, owned} {
		t.Run(c.Shape.String(), func(t *testing.T) {
			exploreRing(t, func(x *explore.X) {
				k := openKern(x, c)
				x.Daemon("poller", k.poller)
				x.Go("kernel", func() { k.completes(1) })
				x.Go("waker", func() {
					k.r.Events().Wake()
					k.r.Events().Wake()
				})
				k.rests(1)
			})
		})
	}
}

// Of an owner's ring completions are shown in the owner's calls only.
func TestExploreOwner(t *testing.T) {
	exploreRing(t, func(x *explore.X) {
		k := openKern(x, owned)
		x.Daemon("poller", k.poller)
		x.Go("kernel", func() { k.completes(3) })
		k.rests(3)
	})
}

func TestExploreOwnerOverflow(t *testing.T) {
	exploreRing(t, func(x *explore.X) {
		k := openKern(x, Config{Entries: 1, Depth: 1, Shape: Owner})
		x.Daemon("poller", k.poller)
		x.Go("kernel", func() { k.completes(2) })
		k.rests(2)
	})
}

// Requests of other goroutines are fetched by the owner, asleep or not.
func TestExploreOwnerSubmit(t *testing.T) {
	exploreRing(t, func(x *explore.X) {
		k := openKern(x, owned)
		x.Daemon("poller", k.poller)
		x.Go("submitter", func() { k.submit(2) })
		k.rests(2)
	})
}

func TestExploreOwnerElsewhere(t *testing.T) {
	exploreRing(t, func(x *explore.X) {
		k := openKern(x, owned)
		k.consumer()
		x.Go("kernel", func() { k.completes(2) })
		k.rests(2)
	})
}

// Close has the owner leave, whatever he is at.
func TestExploreOwnerClose(t *testing.T) {
	exploreRing(t, func(x *explore.X) {
		k := openKern(x, owned)
		x.Go("poller", k.poller)
		x.Go("kernel", func() { k.completes(1) })
		x.Go("closer", func() {
			k.r.note.closing.Store(1)
			k.r.note.nudge()
		})
	})
}
