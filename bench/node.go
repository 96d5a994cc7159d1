package bench

import (
	"context"
	"fmt"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// node is one side of a run between two nodes: the client's, or with serving
// the server's.
//
// Everything that happens to it is an event of its EVD: completions, the
// endpoint's connection events, and, posted by the reader of the control
// connection, software events for what the peer says. So all fields without
// a remark belong to whoever runs the upcall, and before the EVD is there to
// open and start; nothing here is shared.
type node struct {
	s       *session
	serving bool
	peer    Address  // of the other queue pair
	ctl     *control // nil: the client's, which has to dial

	ready    func(context.Context) error // client: awaits the beginning; nil: now
	patience time.Duration               // server: for the beginning; 0: the stall limit, a minute at most
	link     link
	ep       *engine.Endpoint // owner: start, then flush

	inbox chan message  // what the control events are about
	read  chan struct{} // closed when the reader has ended
	calm  chan struct{} // closed when it need not knock any more
	heard chan struct{} // closed when the reader has heard the peer's last word: nil, if that was settled
	last  error         // Writer: the reader, before heard is closed

	sends, recvs, told *Producer
	nsend, nrecv       int
	acked              uint64 // sends that succeeded
	got                uint64 // messages received
	turnAcked, turnGot uint64 // of those, the ones the traffic has been told of
	traffic            traffic

	up       bool // both sides are connected, and know it
	sent     bool // this side has said that it sends no more
	stopped  bool // one of the two has said stop
	peerDone bool
	peerSent uint64 // valid with peerDone
	knock    bool   // the peer is silent: see whether its queue pair is there
	gone     bool   // it has been seen long enough
	lost     string // why the peer is lost
	over     bool
	faulty   bool
	failure  hwcq.Status // of the request that broke the connection
}

// traffic is what a node does with messages. Of the upcall.
type traffic interface {
	// turn is told that so many sends were acknowledged and messages came since the
	// last turn, at time now, and posts what is to be sent. more is false when this
	// side has sent its last message.
	turn(now Ticks, acked, got int) (more bool, err error)
	report(r *Report)
}

func (n *node) upcall(u *engine.Upcall) {
	evs := u.Events()
	now := n.s.clk.Now()
	n.s.phase.load() // pairs with publish in start
	n.s.con.upcall(evs)
	for i := range evs {
		switch ev := &evs[i]; ev.Stream {
		case engine.Connection:
			n.connection(ev)
		case engine.Software:
			n.hear(<-n.inbox)
		default:
			n.completion(ev)
		}
	}
	if n.up && !n.over {
		if err := n.turn(now); err != nil {
			n.fault("%v", err)
		}
	}
	n.s.con.done()
}

// fault ends a run that went wrong.
func (n *node) fault(format string, args ...any) {
	n.faulty = true
	n.s.fault(format, args...)
	n.end()
}

func (n *node) end() {
	if !n.over {
		n.over = true
		n.s.cut = n.lost != ""
		n.s.producerEnded()
	}
}

func (n *node) connection(ev *engine.Event) {
	if ev.Number == engine.Broken && !n.over { // later, the end of the run notices
		// It says more than the end of the control connection before.
		n.lost = fmt.Sprintf("a request failed with %v: the peer does not answer", n.failure)
		n.end()
	}
}

// begin starts the clockwork of the client: the server measures nothing.
func (n *node) begin() {
	c := &n.s.cfg
	if n.serving || c.Workload != BW {
		return
	}
	switch {
	case c.Warmup.Off:
		n.measure()
	case c.Warmup.Time > 0:
		n.s.after(c.Warmup.Time, n.measure)
	}
}

// measure ends the warm-up.
func (n *node) measure() {
	n.s.phase.advance(measuring)
	n.s.measured()
	if d := n.s.cfg.Duration; d > 0 {
		n.s.after(d, func() { n.s.phase.advance(stopping) })
	}
}

func (n *node) completion(ev *engine.Event) {
	if ev.Status != hwcq.StatusSuccess {
		switch {
		case ev.Status != hwcq.StatusWRFlushErr:
			n.failure = ev.Status // the engine says that the connection is broken
		case !n.over:
			// Some errors of the sender itself rxe shows, on Linux 6.12, by nothing
			// else: the queue pair is in error all the same.
			n.lost = "requests were flushed without any having failed: the queue pair is in error"
			n.end()
		}
		return
	}
	if n.faulty {
		return // said already
	}
	switch id, seq := SplitWRID(ev.WRID); id {
	case n.sends.ID:
		n.acked++
	case n.recvs.ID:
		if int(ev.ByteLen) != n.s.cfg.Size {
			n.fault("message %d has %d bytes, and size is %d", n.got, ev.ByteLen, n.s.cfg.Size)
			return
		}
		if have, want := numbered(n.link.recvSlot(int(seq%uint64(n.nrecv))), n.got); have != want {
			n.fault("message %d came when message %d was to come", have, want)
			return
		}
		n.got++
	default:
		n.fault("a completion of no request: %#x", ev.WRID)
	}
}

// hear deals with what the peer says.
func (n *node) hear(m message) {
	if n.over {
		return
	}
	switch m.Kind {
	case msgGo:
		n.up = true
		n.begin()
	case msgStop:
		n.stopped = true
		n.s.phase.advance(stopping)
	case msgDone:
		n.peerDone, n.peerSent = true, m.Sent
	case msgError:
		n.lost = "the peer gave up: " + printable(m.Error)
		n.end()
	case msgLost:
		// Whether the peer itself is gone, the queue pair will tell.
		n.knock = true
		if n.lost == "" {
			n.lost = "the control connection ended: " + m.Error
		}
	case msgGone:
		n.gone = true
	}
}

// turn posts what is to be posted, and says so when this side is through.
func (n *node) turn(now Ticks) error {
	if n.lost != "" {
		return n.probe()
	}
	if !n.stopped && n.s.phase.load() == stopping {
		n.stopped = true
		if err := n.ctl.send(message{Kind: msgStop}); err != nil {
			return n.mute(err)
		}
	}
	acked, got := n.acked-n.turnAcked, n.got-n.turnGot
	n.turnAcked, n.turnGot = n.acked, n.got
	more, err := n.traffic.turn(now, int(acked), int(got))
	if err != nil {
		return err
	}
	if err := n.postRecvs(n.nrecv - int(n.recvs.Accepted-n.got)); err != nil {
		return err
	}
	if !more && !n.sent {
		n.sent = true
		if err := n.ctl.send(message{Kind: msgDone, Sent: n.sends.Accepted}); err != nil {
			return n.mute(err)
		}
	}
	if n.sent && n.peerDone && n.got >= n.peerSent && n.acked == n.sends.Accepted {
		n.end() // all has come home
	}
	return nil
}

// mute is for a control connection that does not take any more: its reader
// will come to know, too, unless the peer has said all it had to say.
func (n *node) mute(err error) error {
	n.lost = "the control connection ended: " + err.Error()
	if n.peerDone {
		n.end()
	}
	return nil
}

// probe finds out, when the peer is silent, whether its queue pair is there:
// a message that nobody waits for. What is in flight is probe enough: it is
// answered, or the retries come to an end.
func (n *node) probe() error {
	switch {
	case n.acked < n.sends.Accepted:
		return nil
	case n.gone:
		n.end() // it answers, but it does not speak
		return nil
	case !n.knock:
		return nil
	}
	n.knock = false
	_, err := n.postSends(1)
	return err
}

// room is how many sends may be posted: there may be an answer to a message before
// its acknowledgement.
func (n *node) room() int { return n.nsend - int(n.sends.Accepted-n.acked) }

// postSends posts up to k messages and returns how many.
func (n *node) postSends(k int) (done int, err error) {
	for done < k {
		next := n.sends.Accepted
		first := int(next % uint64(n.nsend))
		m := min(k-done, n.nsend-first)
		for i := range m {
			number(n.link.sendSlot(first+i), next+uint64(i))
		}
		took, err := n.link.postSends(first, m, n.sends.Next())
		n.sends.Offered(m, took)
		done += took
		if err != nil {
			return done, fmt.Errorf("send: %w", err)
		}
	}
	return done, nil
}

func (n *node) postRecvs(k int) error {
	for k > 0 {
		first := int(n.recvs.Accepted % uint64(n.nrecv))
		m := min(k, n.nrecv-first)
		took, err := n.link.postRecvs(first, m, n.recvs.Next())
		n.recvs.Offered(m, took)
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		k -= m
	}
	return nil
}
