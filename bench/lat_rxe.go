package bench

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// rxeLat plays ping-pong, or sends one way, between two queue pairs of this
// process (end 0 begins), or between one and a peer's.
//
// Fields without a remark belong to whoever runs the upcall, and before the
// EVD is there to open and start.
type rxeLat struct {
	s     *session
	rig   *rxeRig
	pace  *pace
	sent  Ticks // when end 0 posted its last send
	begun bool  // it has posted one
	ended bool

	cq    *countedCQ
	split *split // nil: not asked for
}

// rxeRecvs is how many receives are kept posted in a latency run: one would
// do, but it is posted again only after its message was dealt with.
const rxeRecvs = 16

func (l *rxeLat) open(s *session) (ec engine.EVDConfig, err error) {
	l.s, l.pace = s, s.pace()
	peer := s.cfg.withPeer()
	ends := 2
	if peer {
		ends = 1
	}
	recvs := min(rxeRecvs, (s.cfg.Depth-4)/2)
	if l.rig, err = openRXE(s, ends, rxeRecvs, recvs); err != nil {
		return ec, err
	}
	for _, e := range l.rig.ends {
		if err := e.postRecvs(recvs); err != nil {
			return ec, err
		}
	}
	if peer {
		err = l.exchange()
	} else {
		err = connectPair(l.rig.ends[0].qp, l.rig.ends[1].qp, rxe.ConnectConfig{})
	}
	s.produce(1)
	if s.cfg.PeerListen != "" {
		l.pace.begin(s.clk.Now()) // a peer that connected to us begins at once
	}
	ec = s.cfg.evd()
	l.cq = &countedCQ{CQ: l.rig.c}
	ec.CQs = []hwcq.CQ{l.cq}
	if s.cfg.Stages {
		p := newProbe(l.cq, s.clk)
		ec.CQs[0], l.split = p, newSplit(s.clk, p, s.cfg.Dispatch)
	}
	ec.Upcall = l.upcall
	return ec, err
}

// exchange connects to the peer as ibv_rc_pingpong does.
func (l *rxeLat) exchange() error {
	qp := l.rig.ends[0].qp
	local, err := qp.Dest()
	if err != nil {
		return err
	}
	connect := func(d rxe.Dest) error { return qp.Connect(d, rxe.ConnectConfig{}) }
	if l.s.cfg.PeerListen != "" {
		_, err = rxe.ExchangeServer(l.s.ctx, l.s.cfg.PeerListen, local, connect)
		return err
	}
	// Both sides may be started at once: a peer that does not listen yet is
	// given time.
	for since := time.Now(); ; time.Sleep(50 * time.Millisecond) {
		_, err = rxe.ExchangeClient(l.s.ctx, l.s.cfg.Peer, local, connect)
		if !errors.Is(err, syscall.ECONNREFUSED) || time.Since(since) >= l.s.cfg.Stall {
			return err
		}
	}
}

// start sends the first message, unless the peer does.
func (l *rxeLat) start() error {
	if l.s.cfg.PeerListen != "" {
		return nil
	}
	e := l.rig.ends[0]
	l.begun = true
	// The upcall may run before the post returns, and writes the same book:
	// the book first.
	l.sent = l.s.clk.Now()
	l.pace.begin(l.sent)
	l.split.begin(l.sent)
	wr := e.send[0]
	wr.WRID = e.sends.Next()
	e.sends.Offered(1, 1)
	l.s.phase.publish()
	return e.qp.PostSend(&wr)
}

func (l *rxeLat) upcall(u *engine.Upcall) {
	evs := u.Events()
	now := l.arrival(evs)
	l.s.phase.load() // pairs with publish in start
	l.s.con.upcall(evs)
	for i := range evs {
		if l.ended {
			break // send completions, flushed requests
		}
		if err := l.event(&evs[i], now); err != nil {
			l.s.con.flushing.Store(true) // a QP in error flushes what is posted
			l.s.fault("%v", err)
			l.end()
		}
	}
	l.s.con.done()
}

// arrival reads the clock if a message has come: about every other upcall is
// for completions of sends alone.
func (l *rxeLat) arrival(evs []engine.Event) Ticks {
	for i := range evs {
		if evs[i].Opcode == hwcq.OpRecv {
			now := l.s.clk.Now()
			l.split.arrived(now)
			return now
		}
	}
	return 0
}

func (l *rxeLat) end() {
	l.ended = true
	l.s.producerEnded()
}

func (l *rxeLat) event(ev *engine.Event, now Ticks) error {
	id, _ := SplitWRID(ev.WRID)
	for i, e := range l.rig.ends {
		switch {
		case id != e.recvs.ID && id != e.sends.ID:
			continue
		case ev.Status != hwcq.StatusSuccess:
			return e.failure(ev)
		case id == e.sends.ID:
			return nil
		}
		if err := e.received(ev); err != nil {
			return err
		}
		// First the answer, then a receive for the one that was used up:
		// others are posted.
		if i == 1 && !l.s.cfg.OneWay {
			if err := l.post(e); err != nil {
				return err
			}
		} else if err := l.round(now); err != nil || l.ended {
			return err
		}
		return e.postRecvs(1)
	}
	return fmt.Errorf("a completion of no request: %#x", ev.WRID)
}

// round is the end of a round: end 0 got the answer, or one way end 1 the
// message. It begins the next one.
func (l *rxeLat) round(now Ticks) error {
	c := &l.s.cfg
	more := true
	if l.begun {
		var record bool
		record, more = l.pace.round(now)
		if record {
			l.pace.rec.record(now, l.s.clk.Nanos(now-l.sent))
			l.split.end()
		}
	}
	if c.withPeer() {
		// Both sides send and receive count messages, the one that begins
		// ends with a receive, the other with a send.
		got := l.rig.ends[0].got
		more = l.s.phase.load() < stopping && (got < c.Count || got == c.Count && c.PeerListen != "")
	}
	if more {
		l.begun = true
		l.sent = l.s.clk.Now()
		l.split.begin(l.sent)
		if err := l.post(l.rig.ends[0]); err != nil {
			return err
		}
		more = !c.withPeer() || c.Peer != "" || l.rig.ends[0].got < c.Count
	}
	if !more {
		l.end()
	}
	return nil
}

// post sends one message.
func (l *rxeLat) post(e *rxeEnd) error {
	n, err := e.postSends(1)
	if err == nil && n == 0 {
		err = fmt.Errorf("PostSend: %w", hwcq.ErrFull)
	}
	l.split.posted()
	return err
}

// expected: at the end of a round no message is under way.
func (l *rxeLat) expected() (n uint64) {
	for _, e := range l.rig.ends {
		n += e.sends.Accepted + e.got
	}
	return n
}

func (l *rxeLat) flush() error { return l.rig.flush() }

func (l *rxeLat) close() error {
	if l.rig == nil {
		return nil
	}
	return l.rig.close()
}

func (l *rxeLat) report(r *Report) {
	c := &l.s.cfg
	switch {
	case c.Peer != "":
		r.Measures = "round trip with a peer: from just before a send is posted to the entry of the upcall for the receive of the peer's answer; one in flight, this side begins"
	case c.PeerListen != "":
		r.Measures = "round trip with a peer: from just before a send is posted to the entry of the upcall for the receive of the peer's next message; one in flight, the peer begins"
	case c.OneWay:
		r.Measures = "one way: from just before a send is posted on one QP to the entry of the upcall for its receive on another of this process; one in flight"
	default:
		r.Measures = "round trip: from just before a send is posted on one QP to the entry of the upcall for the receive of the answer of another of this process; one in flight; each round is four events"
	}
	reportLatency(r, l.pace)
	l.split.report(r)
	l.rig.report(r)
	l.cq.report(r)
}
