package bench

import (
	"errors"
	"fmt"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/eventfd"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/hwcq/uring"
)

// single is what bells have in common of which a ring is one completion.
type single struct{ book *Producer }

func (b *single) each() uint64                  { return 1 }
func (b *single) fill() func(*hwcq.WC)          { return nil }
func (b *single) completed(*engine.Event) error { return nil }
func (b *single) expected() uint64              { return b.book.Accepted }
func (b *single) flush() error                  { return nil }

// next is the number of a new request. The book first: the upcall may run before the
// request was handed over.
func (b *single) next() uint64 {
	id := b.book.Next()
	b.book.Offered(1, 1)
	return id
}

// refused takes back what next has noted, if err is not nil.
func (b *single) refused(err error) error {
	if err != nil {
		b.book.Accepted--
		b.book.Rejected++
	}
	return err
}

// mockBell is the hardware side of a mock CQ.
type mockBell struct {
	single
	c *mock.CQ
}

func (b *mockBell) open(s *session) (_ hwcq.CQ, err error) {
	b.book = s.book("events", false)
	b.c, err = mock.New(mock.Config{Depth: s.cfg.Depth, Seed: s.cfg.Seed})
	return b.c, err
}

func (b *mockBell) ring() error {
	stored, err := b.c.Complete(hwcq.WC{WRID: b.next(), Opcode: hwcq.OpSend}, true)
	if err == nil && !stored {
		err = hwcq.ErrFull
	}
	return b.refused(err)
}

func (b *mockBell) close() error {
	if b.c == nil {
		return nil
	}
	return b.c.Close()
}

func (b *mockBell) raises() string {
	return "just before the simulated device stores a completion and raises the event"
}

func (b *mockBell) report(r *Report) {
	st := b.c.Stats()
	r.CQ.Completions, r.CQ.Overruns = st.Completions, st.Overruns
}

// eventBell adds to an eventfd. Its completions have no number: they are counted where
// they are polled, so that one too many or too few is found.
type eventBell struct {
	single
	c    *eventfd.CQ
	seen uint64 // owner: whoever polls
}

func (b *eventBell) open(s *session) (_ hwcq.CQ, err error) {
	b.book = s.book("events", false)
	b.c, err = eventfd.New(eventfd.Config{})
	return b.c, err
}

func (b *eventBell) fill() func(*hwcq.WC) {
	id := b.book.ID
	return func(wc *hwcq.WC) {
		wc.WRID = WRID(id, b.seen)
		b.seen++
	}
}

func (b *eventBell) ring() error {
	b.next()
	return b.refused(b.c.Signal(1))
}

func (b *eventBell) close() error {
	if b.c == nil {
		return nil
	}
	return b.c.Close()
}

func (b *eventBell) raises() string { return "just before a write to the eventfd" }

func (b *eventBell) report(r *Report) { r.CQ.Completions = r.Engine.Polled }

// ringBell submits requests to an io_uring that do nothing.
type ringBell struct {
	single
	c    *uring.Ring
	reqs []uring.Request
}

func (b *ringBell) open(s *session) (_ hwcq.CQ, err error) {
	b.book = s.book("events", false)
	b.reqs = []uring.Request{uring.Nop()}
	b.c, err = uring.Open(uring.Config{})
	return b.c, err
}

func (b *ringBell) ring() error {
	b.reqs[0].WRID = b.next()
	_, err := b.c.Submit(b.reqs)
	return b.refused(err)
}

func (b *ringBell) close() error {
	if b.c == nil {
		return nil
	}
	return b.c.Close()
}

func (b *ringBell) raises() string {
	return "just before a request that does nothing is submitted to io_uring (which completes it at once)"
}

func (b *ringBell) report(r *Report) { r.CQ.Completions = r.Engine.Polled }

// rdmaBell sends a message from one queue pair to another of this process: completions
// of the receive and of the send.
type rdmaBell struct{ rig *rxeRig }

func (b *rdmaBell) open(s *session) (hwcq.CQ, error) {
	recvs := min(rxeRecvs, (s.cfg.Depth-4)/2)
	var err error
	if b.rig, err = openRXE(s, 2, rxeRecvs, recvs); err != nil {
		return nil, err
	}
	ends := b.rig.ends
	if err := ends[1].postRecvs(recvs); err != nil {
		return nil, err
	}
	return b.rig.c, connectPair(ends[0].qp, ends[1].qp, rxe.ConnectConfig{})
}

func (b *rdmaBell) each() uint64         { return 2 }
func (b *rdmaBell) fill() func(*hwcq.WC) { return nil }

func (b *rdmaBell) ring() error {
	n, err := b.rig.ends[0].postSends(1)
	if err == nil && n == 0 {
		err = hwcq.ErrFull
	}
	if err != nil {
		return fmt.Errorf("PostSend: %w", err)
	}
	return nil
}

func (b *rdmaBell) completed(ev *engine.Event) error {
	e := b.rig.ends[1]
	if ev.Status != hwcq.StatusSuccess {
		return e.failure(ev)
	}
	if id, _ := SplitWRID(ev.WRID); id != e.recvs.ID {
		return nil
	}
	return errors.Join(e.received(ev), e.postRecvs(1))
}

func (b *rdmaBell) expected() uint64 { return b.rig.ends[0].sends.Accepted + b.rig.ends[1].got }

func (b *rdmaBell) flush() error { return b.rig.flush() }

func (b *rdmaBell) close() error {
	if b.rig == nil {
		return nil
	}
	return b.rig.close()
}

func (b *rdmaBell) raises() string {
	return "just before a send is posted on one QP, whose way through the device to another of this process is in it"
}

func (b *rdmaBell) report(r *Report) { b.rig.report(r) }
