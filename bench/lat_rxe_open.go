package bench

import (
	"fmt"
	"sync/atomic"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// rxeOpen is latency in an open loop between two queue pairs of this process: a generator
// posts sends on end 0 as a schedule says, and end 1 answers each message.
//
// The sends of end 0 are the generator's; all else belongs to whoever runs the upcall, and
// before the EVD is there to open.
type rxeOpen struct {
	s    *session
	rig  *rxeRig
	gen  *generator
	win  openWindow
	home atomic.Uint64 // requests that are through. Writer: the upcall. Reader: the generator
	wr   rxe.SendWR    // owner: the generator
	cq   *countedCQ
}

// openRXEAtMost is how many requests may be in flight over a CQ of so many completions: a
// request has four, one way two, and some of them may come when it is through already, by
// an acknowledgement that was late.
func openRXEAtMost(depth int, oneWay bool) int {
	if oneWay {
		return max(depth/4, 1)
	}
	return max(depth/8, 1)
}

func (l *rxeOpen) open(s *session) (ec engine.EVDConfig, err error) {
	l.s = s
	n := s.cfg.Outstanding
	// Twice as many sends: room is made by their completions, which may be late.
	if l.rig, err = openRXE(s, 2, 2*n, n); err != nil {
		return ec, err
	}
	for _, e := range l.rig.ends {
		if err := e.postRecvs(n); err != nil {
			return ec, err
		}
	}
	if err := connectPair(l.rig.ends[0].qp, l.rig.ends[1].qp, rxe.ConnectConfig{}); err != nil {
		return ec, err
	}
	from := l.rig.ends[0]
	l.wr = from.send[0]
	if l.gen, err = newGenerator(s, from.sends, l.submit); err != nil {
		return ec, err
	}
	l.gen.homeIs(&l.home)
	s.recorder()
	s.produce(1)
	ec = s.cfg.evd()
	l.cq = &countedCQ{CQ: l.rig.c}
	ec.CQs = []hwcq.CQ{l.cq}
	ec.Upcall = l.upcall
	return ec, nil
}

func (l *rxeOpen) start() error {
	l.s.goProduce("generator", l.gen.run)
	return nil
}

func (l *rxeOpen) submit(n uint64) error {
	from := l.rig.ends[0]
	l.wr.WRID = WRID(from.sends.ID, n)
	l.s.phase.publish() // the slot: no memory model covers the way through the device
	return from.qp.PostSend(&l.wr)
}

func (l *rxeOpen) upcall(u *engine.Upcall) {
	now := l.s.clk.Now()
	l.s.phase.load() // pairs with publish in submit
	evs := u.Events()
	l.s.con.upcall(evs)
	through := l.home.Load()
	for i := range evs {
		if l.s.con.flushing.Load() {
			break // receives that nothing came for, or all there was of a QP in error
		}
		done, err := l.event(&evs[i], through, now)
		if done {
			through++
		}
		if err != nil {
			l.s.con.flushing.Store(true) // a QP in error flushes what is posted
			l.s.fault("%v", err)
		}
	}
	l.s.con.done()
	l.home.Store(through)
}

// event deals with one event. through: request n is.
func (l *rxeOpen) event(ev *engine.Event, n uint64, now Ticks) (through bool, err error) {
	id, _ := SplitWRID(ev.WRID)
	for i, e := range l.rig.ends {
		switch {
		case id != e.recvs.ID && id != e.sends.ID:
			continue
		case ev.Status != hwcq.StatusSuccess:
			return false, e.failure(ev)
		case id == e.sends.ID:
			return false, nil
		}
		if err := e.received(ev); err != nil {
			return false, err
		}
		if i == 0 || l.s.cfg.OneWay {
			l.gen.completed(n, now, &l.win) // messages and answers come in order
			return true, e.postRecvs(1)
		}
		// First the answer, then a receive for the one that was used up: others are
		// posted.
		k, err := e.postSends(1)
		if err == nil && k == 0 {
			err = fmt.Errorf("PostSend: %w", hwcq.ErrFull)
		}
		if err != nil {
			return false, err
		}
		return false, e.postRecvs(1)
	}
	return false, fmt.Errorf("a completion of no request: %#x", ev.WRID)
}

func (l *rxeOpen) expected() uint64 {
	n := l.rig.ends[0].sends.Accepted
	if l.s.cfg.OneWay {
		return 2 * n
	}
	return 4 * n
}

func (l *rxeOpen) flush() error { return l.rig.flush() }

func (l *rxeOpen) close() error {
	if l.rig == nil {
		return nil
	}
	return l.rig.close()
}

func (l *rxeOpen) report(r *Report) {
	const planned = "; a schedule says when, and the response time is from then"
	if l.s.cfg.OneWay {
		r.Measures = "one way, open loop: from just before a send is posted on one QP to the entry of the upcall for its receive on another of this process" + planned
	} else {
		r.Measures = "round trip, open loop: from just before a send is posted on one QP to the entry of the upcall for the receive of the answer of another of this process" + planned
	}
	l.gen.report(r, &l.win)
	l.rig.report(r)
	l.cq.report(r)
}
