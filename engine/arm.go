package engine

import (
	"errors"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// A CQ notifies once per arming and never looks back. So whoever goes to
// sleep over a CQ does three things in this order, and this file is the only
// place where the order stands:
//
//	          a run ends (settle)     the poller sleeps (rest)   Enable (enable.go)
//	arm       [R5] and machine.arm    link.unwatch               [E1] and machine.arm
//	look      the next take           Pending                    [E2] pending
//	sleep     [R6] from the exact     EventSource.Wait           [E3] from the exact
//	          word after the look                                word before the look
//
// A completion that came before the arm is found by the look, one that comes
// after the arm raises an event. Between "arm" and "look" there is nothing to
// lose. (Reed and Kanodia's eventcount, CACM 1979, is the same idea: announce,
// look, sleep.)

// settle ends a run that found nothing: it arms what is not armed and answers
// false, and the caller looks again; or, when nothing happened since the
// caller's look, it gives the slot back, together with the bits in also, and
// answers true.
func (m *machine) settle(also word) (left bool) {
	s := m.load()
	switch {
	case s.run() > s.lim():
		return false // [R1] deals with it
	case s&bMISS != 0 || s&bARM == 0:
		return m.rearm(s, also)
	}
	// [R6] release: from exactly the word whose MISS=0, ARM=1 was read after
	// the empty look. A subtraction would lose a MISS set between.
	return m.cas(s, (s-runOne)&^also)
}

// rearm arms, if s is the word, and the caller looks; or it cannot arm, and answers as
// settle does. A run that expects its look to be in vain begins with it, and so looks once
// where it would look twice, before the arm and after it.
func (m *machine) rearm(s, also word) (left bool) {
	// [R5] I3, I4: whoever clears MISS or sets ARM looks afterwards.
	return m.word.CompareAndSwap(uint64(s), uint64(s&^bMISS|bARM)) &&
		s&bARM == 0 && m.self.arm() != nil && m.leaveUnarmed(also)
}

// leaveUnarmed is transition [R8]: arming failed, ARM falls. Unless something
// happened meanwhile the slot is given back, and the failed CQ's poller tries
// again by and by (see link.retryArm).
//
// It looks before it leaves (I3, I4): a CQ that has ended is not tried again,
// and what it had stored since the last look has nobody else.
func (m *machine) leaveUnarmed(also word) (left bool) {
	more := m.self.available()
	for {
		s := m.load()
		n := s &^ bARM
		left = s&bMISS == 0 && !more
		if left {
			n = (n - runOne) &^ also
			if s.run() > s.lim() {
				n |= bMISS
			}
		}
		if m.cas(s, n) { // [R8]
			m.self.retryArms()
			return left
		}
	}
}

// rest is a polling poller's way to sleep: it answers true when it may.
//
// A completion that cannot be taken now does not keep it awake: upcalls are
// disabled (Enable looks), another runner or consumer is at work (he has seen
// MISS), or the ring is full (whoever takes sees STALL).
func (p *poller) rest() bool {
	l := p.link
	if err := l.unwatch(); err != nil { // arm ..
		if errors.Is(err, ErrClosed) || l.failed.Load() != 0 {
			// Wait says so, or there is nothing to wait for. What the CQ had
			// stored before its end has nobody else who would come back.
			l.update(lWATCH, 0)
			return !(l.cq.Pending() && p.start(srcWatch))
		}
		p.backOff()
		if l.cq.Pending() {
			p.start(srcWatch) // one told to go from polling to events polls nowhere else
		}
		return false
	}
	p.delay = retryFirst
	if l.cq.Pending() && p.start(srcWatch) { // .. then look again ..
		l.stats.averted.Add(1)
		p.slept(0)
		l.watch()
		return false
	}
	if p.ctl.Load()&cStop != 0 {
		return false
	}
	l.stats.sleeps.Add(1)
	return true // .. then sleep
}

// link ties one CQ to the machine it feeds, an EVD or a pump, and to the poller that
// waits for it. Its state word decides who arms the hardware:
//
//	ARMED  the machine asked for notification and has not had it; ARM of the
//	       machine's word is the conjunction over its links
//	WATCH  the poller is polling this CQ: it will see a completion by itself,
//	       so nobody arms the hardware (a system call saved)
//	HW     a hardware arm is outstanding; at most one event can come of it
//
// Invariants: HW implies ARMED. ARMED and not WATCH imply HW, or one who is
// about to set it. So "ARMED" always means: a completion from now on is seen.
//
// armWanted and unwatch both decide by a compare-and-swap on the same word, so
// exactly one of them arms, and never both: arming twice is an error on some
// hardware (irdma loses events), not just a waste.
type link struct {
	state atom.Uint32 // lARMED | lWATCH | lHW
	cq    hwcq.CQ
	index uint16
	solic bool
	rearm bool // arming twice is harmless
	depth int
	owner sink
	poll  *poller // nil: a port's
	port  *port   // nil: a CQ that was given

	failed  atom.Uint32 // the alarm that ended the CQ, plus 1. Writers: poller, who arms, the device (hear)
	kept    atom.Bool   // with EVD.fKept: completions were left on purpose. Writers: noteKept, who finds it empty. Reader: watchdog
	told    atom.Bool   // its device tells of overruns by itself. Writer: listen. Reader: watchdog
	unarmed atom.Bool   // an arm failed, and ARM has not fallen yet. Writer: the one who set ARM

	owed   int    // owner: the holder of TAKE; see side.mark
	behind bool   // owner: the holder of TAKE; so is what had not come to the port yet, see due
	until  uint64 // owner: the holder of TAKE; until the shared CQ has passed that
	fresh  bool   // owner: the holder of TAKE (or of the pump's slot); he has armed it and not looked yet
	stats  linkStats

	dog linkDog // owner: the watchdog
}

const (
	lARMED uint32 = 1 << iota
	lWATCH
	lHW
)

// sink is the machine that a link feeds.
type sink interface {
	trigger(src source) bool
	runSlot(r *runner) (moved bool)
	load() word
	startQueued() bool
	requeue()
	noteArm(l *link, err error)
	cqFailed(l *link, err error, other alarm)
}

// arm arms every directly attached CQ that is not armed yet. It is called by
// the one who set ARM, who looks again afterwards. The error is the first one;
// the other CQs stay armed. TAKE must be held.
func (d *EVD) arm() error { return d.armAll((*link).armTaking) }

func (d *EVD) armAll(arm func(*link) error) (err error) {
	for _, l := range d.direct() {
		if e := arm(l); e != nil && err == nil {
			err = e
		}
	}
	return err
}

// armTaking is armWanted by the CQ's consumer, whose next look tells whether the
// arm came too late for something (see noteLook).
func (l *link) armTaking() error {
	before := l.stats.arms.Load()
	err := l.armWanted()
	l.fresh = l.stats.arms.Load() != before
	return err
}

// noteLook counts what the first look after an arm found: without that look it
// would have been lost.
func (l *link) noteLook(n int) {
	l.fresh = false
	if n > 0 {
		l.stats.missed.Add(1)
	}
}

// armWanted is transition [L1]: the machine wants notification. A CQ whose end is
// known is left alone: that is no error of the others, nor of the posters, for
// whom upcalls may be enabled.
func (l *link) armWanted() error {
	for {
		s := l.state.Load()
		if s&lARMED != 0 || l.failed.Load() != 0 && l.port == nil {
			return nil // (something may be on its way to a port whose CQ has ended)
		}
		n := s | lARMED
		if s&lWATCH == 0 {
			n |= lHW
		}
		if !l.state.CompareAndSwap(s, n) { // [L1] pairs with [L2]: one of the two sees the other's bit
			continue
		}
		if s&lWATCH != 0 {
			return nil
		}
		err := l.hwArm()
		if err != nil {
			l.update(lARMED|lHW, 0) // [L5] nothing is armed; whoever lets ARM fall has the poller retry
			if !errors.Is(err, ErrClosed) && l.failed.Load() == 0 {
				l.unarmed.Store(true)
			}
		}
		return err
	}
}

// retryArm has the poller try again where an arm has failed. It is called after ARM
// has fallen: before, the retry could be over with no more than a MISS left, which
// one who enables takes away, believing ARM.
func (l *link) retryArm() {
	if l.unarmed.Swap(false) {
		l.poll.retryArm()
	}
}

func (d *EVD) retryArms() {
	for _, l := range d.direct() {
		l.retryArm()
	}
}

// hwArm arms the hardware; HW was set by the caller.
func (l *link) hwArm() error {
	_, err := l.cq.Arm(l.solic)
	l.noteArm(err)
	l.owner.noteArm(l, err)
	return err
}

// update clears and sets bits.
func (l *link) update(clear, set uint32) {
	for {
		s := l.state.Load()
		n := s&^clear | set
		if s == n || l.state.CompareAndSwap(s, n) {
			return
		}
	}
}

// unwatch is transition [L2]: the poller is about to sleep. If the machine
// wants notification and the hardware is not armed, it is armed now. The
// caller must look again before it sleeps.
func (l *link) unwatch() error {
	for {
		s := l.state.Load()
		n := s &^ lWATCH
		arm := s&lARMED != 0 && s&lHW == 0
		if arm {
			n |= lHW
		}
		if !l.state.CompareAndSwap(s, n) { // [L2] pairs with [L1]
			continue
		}
		if !arm {
			return nil
		}
		err := l.hwArm()
		if err != nil {
			l.update(lHW, lARMED|lWATCH) // the poller keeps its promise by polling on
		}
		return err
	}
}

// watch is transition [L3]: the poller polls from now on. A hardware arm that
// is outstanding stays outstanding; its event will be spurious.
func (l *link) watch() { l.update(0, lWATCH) }

// fired is transition [L4]: the poller has received an event of the CQ. It is
// done before the machine's trigger, so that the run which the trigger starts
// can arm again: the other way round a run between the two would find ARMED
// still set, and leave with a CQ that is not armed. watching says whether the
// poller polls from now on.
func (l *link) fired(watching bool) {
	if watching {
		l.update(lARMED|lHW, lWATCH)
	} else {
		l.update(lARMED|lHW, 0)
	}
}
