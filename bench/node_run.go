package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

func (n *node) open(s *session) (ec engine.EVDConfig, err error) {
	n.s = s
	n.inbox = make(chan message, 4)
	n.read, n.calm, n.heard = make(chan struct{}), make(chan struct{}), make(chan struct{})
	n.nsend, n.nrecv = s.cfg.slots()
	lc := linkConfig{driver: s.cfg.CQ, dev: s.cfg.Dev, depth: s.cfg.Depth, sends: n.nsend, recvs: n.nrecv, size: s.cfg.Size}
	if n.link, err = links[s.cfg.CQ](lc); err != nil {
		return ec, err
	}
	n.sends, n.recvs = s.book("sends", false), s.book("receives", false)
	n.told = s.book("control messages", true)
	if err := n.postRecvs(n.nrecv); err != nil {
		return ec, err
	}
	n.traffic = newTraffic(n)
	if n.serving {
		s.phase.advance(measuring) // it measures nothing
	} else if n.ctl == nil {
		if n.ctl, err = dialControl(s.ctx, s.cfg.Server, s.cfg.Stall); err != nil {
			return ec, err
		}
	}
	n.ctl.patient(s.cfg.Stall)
	s.produce(1)
	ec = s.cfg.evd()
	ec.Streams = engine.DTO | engine.Connection | engine.Software
	ec.CQs = []hwcq.CQ{n.link.cq()}
	ec.Upcall = n.upcall
	return ec, nil
}

// start makes the connection. The traffic begins with an event, too: from then
// on all is the upcall's.
func (n *node) start() (err error) {
	evd := n.s.evd
	n.ep, err = n.s.eng.NewEndpoint(engine.EndpointConfig{QPNum: n.link.qpNum(), Recv: evd, Request: evd, Connect: evd})
	if err != nil {
		return err
	}
	own, err := n.link.address()
	if err != nil {
		return err
	}
	stop := context.AfterFunc(n.s.ctx, func() { _ = n.ctl.conn.Close() })
	if n.serving {
		err = n.welcome(own)
	} else {
		err = n.greet(own)
	}
	if !stop() {
		return n.s.ctx.Err()
	}
	if err == nil && n.ready != nil {
		err = n.ready(n.s.ctx)
	}
	if err == nil && !n.serving {
		err = n.ctl.send(message{Kind: msgStart})
	}
	if err != nil {
		return err
	}
	_ = n.ctl.conn.SetReadDeadline(time.Time{})
	n.ep.Established()
	n.s.phase.publish()
	n.post(message{Kind: msgGo})
	n.s.posters.Go(n.listen)
	return nil
}

// greet is the client's part.
func (n *node) greet(own Address) error {
	c := &n.s.cfg
	if err := n.ctl.send(message{Kind: msgHello, Version: controlVersion, Config: c, Address: &own}); err != nil {
		return fmt.Errorf("bench: server %s: %w", c.Server, err)
	}
	m, err := n.ctl.expect(msgReady, c.Stall)
	var no *refusal
	switch {
	case errors.As(err, &no):
		return fmt.Errorf("bench: the server %s refused: %s", c.Server, no)
	case err != nil:
		return fmt.Errorf("bench: server %s: %w", c.Server, err)
	case m.Address == nil:
		return fmt.Errorf("bench: server %s: %w: it gave no address", c.Server, errNotEvdbench)
	}
	m.Address.host = n.ctl.host()
	if err := n.link.connect(*m.Address, c.AckTimeout, c.Retries); err != nil {
		_ = n.ctl.send(message{Kind: msgError, Error: err.Error()})
		return err
	}
	return nil
}

// welcome is the server's part: the client may send as soon as it has the
// answer.
func (n *node) welcome(own Address) error {
	c := &n.s.cfg
	if err := n.link.connect(n.peer, c.AckTimeout, c.Retries); err != nil {
		return err
	}
	if err := n.ctl.send(message{Kind: msgReady, Address: &own}); err != nil {
		return err
	}
	_, err := n.ctl.expect(msgStart, cmp.Or(n.patience, min(c.Stall, time.Minute)))
	return err
}

// listen makes events of what the peer says, until it has settled: that comes
// when the traffic is over.
func (n *node) listen() {
	defer close(n.read)
	hung := make(chan struct{})
	defer func() { <-hung }()
	over := make(chan struct{})
	defer close(over)
	go func() { // a run that ends otherwise, by a stall
		defer close(hung)
		select {
		case <-n.s.gone:
			n.hangUp()
		case <-over:
		}
	}()
	var said string // by a peer that gave up when all was over, to whom nobody listens
	for {
		m, err := n.ctl.receive()
		switch m.Kind {
		case msgSettled:
			close(n.heard)
			return
		case msgStop, msgDone, msgError:
			said = m.Error
			if !n.post(m) {
				return
			}
			continue
		}
		switch {
		case said != "":
			err = errors.New("the peer gave up: " + printable(said))
		case err == nil:
			err = fmt.Errorf("%w: %.20q came", errNotEvdbench, m.Kind)
		}
		n.last = err
		close(n.heard)
		n.alone(err)
		return
	}
}

// alone has the upcall probe the peer's queue pair, again and again: that of a
// process that was killed goes some time after its control connection. One that
// goes on answering is given up in the end.
func (n *node) alone(why error) {
	m := message{Kind: msgLost, Error: why.Error()}
	for range 100 {
		if !n.post(m) {
			return
		}
		select {
		case <-n.calm:
			return
		case <-n.s.gone:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	m.Kind = msgGone
	n.post(m)
}

// post hands a message to the upcall.
func (n *node) post(m message) bool {
	select {
	case n.inbox <- m:
	case <-n.s.gone:
		return false
	}
	wrid := n.told.Next()
	// The upcall may run before Post returns, and end the run: the book first.
	n.told.Offered(1, 1)
	for full := 1; ; full++ {
		err := n.s.evd.Post(engine.Event{WRID: wrid})
		if err == nil {
			return true
		}
		if !errors.Is(err, engine.ErrFull) {
			n.told.Attempted--
			n.told.Accepted--
			return false
		}
		n.told.Attempted++
		n.told.Rejected++
		giveWay(full)
	}
}

// hangUp ends the reader.
func (n *node) hangUp() { _ = n.ctl.conn.SetReadDeadline(time.Unix(1, 0)) }

// expected: all has come home before the last producer ends.
func (n *node) expected() uint64 { return 0 }

// flush takes the connection down. In order: when both sides have all that
// they wait for, and not before, because a packet may have to be repeated.
func (n *node) flush() error {
	settled := !n.s.faulty() && n.lost == ""
	if settled {
		if err := n.ctl.send(message{Kind: msgSettled}); err == nil {
			select {
			case <-n.heard:
			case <-time.After(n.s.cfg.Stall):
			}
		}
	}
	n.hangUp()
	close(n.calm)
	<-n.read
	switch {
	case settled && n.last != nil:
		n.lost = "at the end: " + n.last.Error()
	case n.s.faulty():
		_ = n.ctl.send(message{Kind: msgError, Error: n.s.firstFault()})
	}
	err := n.link.setError()
	n.ep.Disconnected()
	return err
}

func (n *node) report(r *Report) {
	n.traffic.report(r)
	if n.s.cfg.CQ == CQTCP {
		r.Measures += "; over TCP sockets, whose goroutines complete into a mock CQ: no RDMA"
	}
	r.CQ.Completions, r.CQ.Overruns = r.Engine.Polled, n.link.overruns()
	con := n.s.con
	r.Connection = &Connection{
		Established: con.notices[engine.Established], Broken: con.notices[engine.Broken], Disconnected: con.notices[engine.Disconnected],
		Sent: n.sends.Accepted, Received: n.got, Failed: con.failed, Lost: n.lost,
	}
	v := &r.Conservation
	if n.lost != "" || !v.OK() {
		return
	}
	if n.got != n.peerSent {
		v.violate("the peer sent %d messages, %d came", n.peerSent, n.got)
	}
	if n.serving {
		return
	}
	m, err := n.ctl.expect(msgResult, n.s.cfg.Stall)
	switch {
	case err != nil:
		v.violate("the server's result did not come: %v", err)
		return
	case m.Result == nil:
		v.violate("the server's result is empty")
		return
	}
	r.Peer = m.Result
	if m.Result.Received != n.sends.Accepted || m.Result.Sent != n.got {
		v.violate("sent %d messages and received %d, and the server received %d and sent %d",
			n.sends.Accepted, n.got, m.Result.Received, m.Result.Sent)
	}
}

func (n *node) close() error {
	var errs []error
	if n.ctl != nil && !n.serving {
		errs = append(errs, n.ctl.conn.Close())
	}
	if n.link != nil {
		errs = append(errs, n.link.close())
	}
	return errors.Join(errs...)
}
