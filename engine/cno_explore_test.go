//go:build explore

package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"unsafe"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// cnoScen is one execution of a scenario with a CNO and EVDs on it.
type cnoScen struct {
	x        *explore.X
	e        *Engine
	c        *CNO
	ds       []*EVD
	cq       *mock.CQ
	accepted int
	got      int
	left     int
	has      map[*EVD]string // who was given it; nobody else may be
	revoked  bool            // EVDs are taken off: who had one may not know yet
	out      []*CNOWaiter
}

// newCNOScen makes n software EVDs on a CNO; with a CQ on the first, if cq.
func newCNOScen(x *explore.X, n int, cq bool) *cnoScen {
	return newFaultyCNOScen(x, n, cq, mock.Config{})
}

// newFaultyCNOScen is newCNOScen with a CQ that has them.
func newFaultyCNOScen(x *explore.X, n int, cq bool, mcfg mock.Config) *cnoScen {
	s := &cnoScen{x: x, has: map[*EVD]string{}}
	var err error
	s.e, err = newEngine(Config{Workers: 1}, func(role, name string, fn func()) {
		if role == "poller" {
			x.Daemon(role, fn)
		} // no workers: nobody needs one
	})
	s.must(err)
	s.c, err = s.e.NewCNO(CNOConfig{})
	s.must(err)
	x.Label(unsafe.Pointer(&s.c.mu), "cno")
	for i := range n {
		cfg := EVDConfig{CNO: s.c, Capacity: 4, Streams: Software, Leftovers: func(evs []Event) { s.left += len(evs) }}
		if cq && i == 0 {
			mcfg.Depth = 4
			s.cq, err = mock.New(mcfg)
			s.must(err)
			cfg.CQs, cfg.Streams, cfg.Mode = []hwcq.CQ{s.cq}, DTO|Software, ModeEvent
		}
		d, err := s.e.NewEVD(cfg)
		s.must(err)
		x.Label(unsafe.Pointer(&d.word), fmt.Sprintf("word%d", i))
		s.ds = append(s.ds, d)
	}
	return s
}

func (s *cnoScen) must(err error) {
	if err != nil {
		s.x.Failf("%v", err)
	}
}

// post posts n events to EVD i.
func (s *cnoScen) post(i, n int) {
	for range n {
		if s.ds[i].Post(Event{}) == nil {
			s.accepted++
		}
	}
}

func (s *cnoScen) poster(i, n int) {
	s.x.Go(fmt.Sprintf("poster%d", i), func() { s.post(i, n) })
}

func (s *cnoScen) waiter() *CNOWaiter {
	w, err := s.c.NewWaiter()
	s.must(err)
	s.out = append(s.out, w)
	return w
}

// dequeue takes one event, if it is to be had.
func (s *cnoScen) dequeue(d *EVD) {
	var buf [1]Event
	n, err := d.Dequeue(buf[:])
	s.got += n
	if err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrClosed) {
		s.x.Failf("Dequeue: %v", err)
	}
}

// wait is Wait and what it promises.
func (s *cnoScen) wait(name string, w *CNOWaiter) (*EVD, error) {
	d, err := w.Wait(context.Background())
	switch {
	case err != nil && d != nil || err == nil && d == nil:
		s.x.Failf("%s: Wait returned %v and %v", name, d, err)
	case d != nil && !s.revoked && s.has[d] != "":
		s.x.Failf("%s was given the EVD that %s has", name, s.has[d])
	case d != nil:
		s.has[d] = name
	}
	return d, err
}

// consumer waits until it has taken n events, one at a time, and is done. (He may be
// given an EVD that somebody is looking at.)
func (s *cnoScen) consumer(name string, n int) {
	w := s.waiter()
	s.x.Go(name, func() {
		var d *EVD
		for until := s.got + n; s.got < until; {
			if d != nil {
				s.has[d] = ""
			}
			var err error
			if d, err = s.wait(name, w); err != nil {
				s.x.Failf("%s: %v", name, err)
				return
			}
			s.dequeue(d)
		}
		s.has[d] = ""
		if err := w.Done(d); err != nil && !s.revoked {
			s.x.Failf("%s: Done: %v", name, err)
		}
	})
}

// checkRest is the promise: nothing is pending on an EVD that is neither listed nor
// owned; what is not, is armed; and no token is left. pending is how many events
// nobody has taken.
func (s *cnoScen) checkRest(pending int) {
	s.x.Check(func() {
		if s.got+s.left+pending != s.accepted {
			s.x.Failf("accepted %d, got %d, left over %d, pending should be %d", s.accepted, s.got, s.left, pending)
		}
		for i, d := range s.ds {
			if d.cnoSeat == nil {
				d.cnoSeat = &cnoSeat{} // it has never been on a CNO
			}
			w := d.load()
			mine := d.listed || d.owner != nil
			switch {
			case w&(bTAKE|bQUED|bQUIET) != 0, d.listed && d.owner != nil:
				s.x.Failf("EVD %d is not at rest: word %x", i, w)
			case mine != (w.run() == 1), w.run() > w.lim(), w.run() > 0 && w&bCNO == 0:
				s.x.Failf("EVD %d: word %x, listed %v, owner %v", i, w, d.listed, d.owner != nil)
			case w&bCNO != 0 && !mine && (d.pending() || w&bMISS != 0 || w&bARM == 0):
				s.x.Failf("EVD %d is forgotten: word %x, pending %v", i, w, d.pending())
			case w&bCNO != 0 && d.listed && s.c.sleepers.n > 0 && d.cno.Load() == s.c:
				s.x.Failf("EVD %d is ready, and a waiter sleeps", i)
			}
		}
		for i, w := range s.out {
			if w.tok.TryWait() {
				s.x.Failf("a token is left for waiter %d", i)
			}
			if w.evd != nil && w.evd.owner != w {
				s.x.Failf("waiter %d has what is not his", i)
			}
		}
	})
}

// A post and a completion on one EVD; who has it takes one at a time.
func TestExploreCNOPostAndCQ(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 1, true)
		primed(s.ds[0])
		x.Go("sources", func() {
			if ok, _ := s.cq.Complete(hwcq.WC{}, false); ok {
				s.accepted++
			}
			s.post(0, 1)
		})
		s.consumer("waiter", 2)
		s.checkRest(0)
	})
}

// Completions only, of a CQ that notifies once per arming.
func TestExploreCNOCQ(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 1, true)
		primed(s.ds[0])
		x.Go("hw", func() {
			for range 2 {
				if ok, _ := s.cq.Complete(hwcq.WC{}, false); ok {
					s.accepted++
				}
			}
		})
		s.consumer("waiter", 2)
		s.checkRest(0)
	})
}

// R23: two EVDs become ready together, for one waiter.
func TestExploreCNOTwoEVDs(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 2, false)
		s.poster(0, 1)
		s.poster(1, 1)
		s.consumer("waiter", 2)
		s.checkRest(0)
	})
}

// And each of two waiters gets one of them.
func TestExploreCNOTwoWaiters(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 2, false)
		woken := 0
		for _, name := range []string{"a", "b"} {
			w := s.waiter()
			x.Go(name, func() {
				_, err := s.wait(name, w)
				s.must(err)
				woken++
			})
		}
		x.Go("poster", func() {
			s.post(0, 1)
			s.post(1, 1)
		})
		s.checkRest(2)
		x.Check(func() {
			if woken != 2 || s.c.owned != 2 {
				x.Failf("%d waiters woke up, %d EVDs are owned", woken, s.c.owned)
			}
		})
	})
}

// R27: two waiters and one event: one of them gets it, the other one sleeps on.
func TestExploreCNOOneEvent(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 1, false)
		woken := 0
		for _, name := range []string{"a", "b"} {
			w := s.waiter()
			x.Daemon(name, func() {
				d, err := s.wait(name, w)
				s.must(err)
				woken++
				s.dequeue(d)
				s.has[d] = ""
				s.must(w.Done(d))
			})
		}
		s.poster(0, 1)
		s.checkRest(0)
		x.Check(func() {
			if woken != 1 || s.c.sleepers.n != 1 {
				x.Failf("%d waiters woke up, %d sleep", woken, s.c.sleepers.n)
			}
		})
	})
}

// R24: what is left behind, and what comes while he says that he is done.
func TestExploreCNODone(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 1, false)
		s.post(0, 1)
		s.poster(0, 1)
		s.consumer("waiter", 2)
		s.checkRest(0)
	})
}

// A Dequeue from elsewhere beside those who look.
func TestExploreCNODequeue(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 1, false)
		s.poster(0, 2)
		x.Go("dequeue", func() { s.dequeue(s.ds[0]) })
		x.Check(func() { // what he did not get is told
			if d := s.ds[0]; d.pending() != (s.got < s.accepted) || d.pending() && !d.listed {
				x.Failf("accepted %d, got %d, listed %v", s.accepted, s.got, d.listed)
			}
		})
	})
}

// R29: the end of a context beside the hand-off: he leaves with nothing, or with
// the EVD.
func TestExploreCNOCancel(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 1, false)
		w := s.waiter()
		x.Go("first", func() {
			d, err := s.wait("first", w)
			if err != nil {
				if !errors.Is(err, context.Canceled) || w.evd != nil {
					x.Failf("Wait: %v, and has %v", err, w.evd)
				}
				return
			}
			s.must(w.Done(d))
		})
		s.poster(0, 1)
		x.Go("cancel", func() {
			explore.Block(func() bool { return w.turn == 1 })
			w.cancel(1, context.Canceled)
		})
		s.checkRest(1)
		x.Check(func() { // who comes after him gets it
			if d, err := s.waiter().TryWait(); d == nil || err != nil {
				x.Failf("TryWait: %v, %v", d, err)
			}
		})
	})
}

// Off and on again, beside a post.
func TestExploreCNOFlip(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 1, false)
		s.revoked = true
		s.poster(0, 1)
		x.Go("admin", func() {
			s.must(s.ds[0].ModifyCNO(nil))
			if w := s.ds[0].load(); w.run() != 0 || w.lim() != 0 || s.c.evds != 0 {
				x.Failf("off, and the word is %x", w)
			}
			s.must(s.ds[0].ModifyCNO(s.c))
		})
		s.consumer("waiter", 1)
		s.checkRest(0)
	})
}

// R36: from one CNO to another beside a post. A waiter of the old one may have been
// given it before; when ModifyCNO has returned he is not.
func TestExploreCNOMove(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 1, false)
		s.revoked = true
		old := s.c
		w, err := old.NewWaiter()
		s.must(err)
		s.c, err = s.e.NewCNO(CNOConfig{})
		s.must(err)
		s.poster(0, 1)
		x.Go("admin", func() { s.must(s.ds[0].ModifyCNO(s.c)) })
		x.Go("old", func() {
			if d, _ := w.TryWait(); d != nil {
				_ = w.Done(d)
			}
		})
		s.consumer("new", 1)
		s.checkRest(0)
		x.Check(func() {
			if q := old.Query(); q.EVDs+q.Ready+q.Owned != 0 {
				x.Failf("the old CNO: %+v", q)
			}
		})
	})
}

// Closed beside a post and beside a waiter who has the EVD, or is given it.
func TestExploreCNOClose(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 1, false)
		s.revoked = true
		s.poster(0, 1)
		w := s.waiter()
		keeps := x.Choose(2) == 1 // Close does not wait for him
		x.Go("waiter", func() {
			d, err := w.TryWait()
			if err != nil && !errors.Is(err, ErrClosed) { // of the CNO
				x.Failf("TryWait: %v", err)
			}
			if d == nil {
				return
			}
			s.dequeue(d)
			if keeps {
				return
			}
			if err := w.Done(d); err != nil && !errors.Is(err, ErrClosed) {
				x.Failf("Done: %v", err)
			}
		})
		x.Go("close", func() {
			s.must(s.ds[0].Close())
			s.must(s.c.Close())
		})
		s.checkRest(0)
	})
}

// Put on a CNO beside Close: it is on none in the end.
func TestExploreCNOAttachBesideClose(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 0, false)
		d, err := s.e.NewEVD(EVDConfig{Capacity: 2, Leftovers: func(evs []Event) { s.left += len(evs) }})
		s.must(err)
		s.ds = append(s.ds, d)
		s.post(0, 1)
		x.Go("admin", func() {
			if err := d.ModifyCNO(s.c); err != nil && !errors.Is(err, ErrClosed) {
				x.Failf("ModifyCNO: %v", err)
			}
		})
		x.Go("close", func() { s.must(d.Close()) })
		s.checkRest(0)
		x.Check(func() { s.must(s.c.Close()) })
	})
}

// Put on a CNO beside a post, which may be the one to tell it.
func TestExploreCNOAttachBesidePost(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 0, false)
		d, err := s.e.NewEVD(EVDConfig{Capacity: 2})
		s.must(err)
		s.ds = append(s.ds, d)
		s.poster(0, 1)
		x.Go("admin", func() { s.must(d.ModifyCNO(s.c)) })
		s.consumer("waiter", 1)
		s.checkRest(0)
	})
}

// Put on a CNO beside somebody who begins to wait for the EVD itself: one of the two
// is refused.
func TestExploreCNOAttachBesideWait(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 0, false)
		d, err := s.e.NewEVD(EVDConfig{Capacity: 2})
		s.must(err)
		s.ds = append(s.ds, d)
		s.post(0, 1)
		waits, on := false, false
		x.Go("admin", func() {
			err := d.ModifyCNO(s.c)
			if on = err == nil; err != nil && !errors.Is(err, ErrWaiter) {
				x.Failf("ModifyCNO: %v", err)
			}
			if w := d.load(); on && w&bOWN != 0 {
				x.Failf("on a CNO, and a waiter has it: word %x", w)
			}
		})
		x.Go("waiter", func() {
			var buf [1]Event
			n, _, err := d.Wait(context.Background(), 1, buf[:])
			if waits = err == nil; err != nil && !errors.Is(err, ErrOnCNO) {
				x.Failf("Wait: %v", err)
			}
			s.got += n
		})
		x.Check(func() {
			w, listed := d.load(), d.cnoSeat != nil && d.listed
			switch {
			case w&(bTAKE|bOWN|bWAIT) != 0 || (w&bCNO != 0) != on || s.c.evds > 0 != on:
				x.Failf("on a CNO: %v, of %d EVDs; word %x", on, s.c.evds, w)
			case !on && !waits:
				x.Failf("each was refused because of the other")
			case on && listed == waits:
				x.Failf("the event: waited for %v, listed %v", waits, listed)
			}
		})
	})
}

// Shutdown waits for what is pending, and not for a waiter who keeps the EVD.
func TestExploreCNOShutdown(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 1, false)
		s.revoked = true
		s.post(0, 1)
		w := s.waiter()
		x.Go("waiter", func() {
			d, err := s.wait("waiter", w)
			s.must(err)
			s.dequeue(d)
		})
		x.Go("shutdown", func() {
			s.must(s.ds[0].Shutdown(context.Background()))
			if s.got != 1 || s.left != 0 {
				x.Failf("got %d, left over %d", s.got, s.left)
			}
		})
		s.checkRest(0)
	})
}

// Waiters return when the CNO is closed with the engine.
func TestExploreCNOEngineClose(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 0, false)
		w := s.waiter()
		x.Go("waiter", func() {
			if d, err := w.Wait(context.Background()); d != nil || !errors.Is(err, ErrClosed) {
				x.Failf("Wait returned %v and %v", d, err)
			}
		})
		x.Go("close", func() { s.e.closeCNOs(false) })
		s.checkRest(0)
	})
}

// A waiter is closed while another goroutine is in it: it is refused, or closed.
func TestExploreCNOWaiterClose(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newCNOScen(x, 1, false)
		w := s.waiter()
		s.post(0, 1)
		var closed error
		x.Go("closer", func() { closed = w.Close() })
		x.Go("waiter", func() {
			if _, err := w.TryWait(); err != nil && !errors.Is(err, ErrClosed) && !errors.Is(err, ErrBusy) {
				x.Failf("TryWait: %v", err)
			}
		})
		x.Check(func() {
			_, err := w.TryWait()
			switch {
			case closed == nil && !errors.Is(err, ErrClosed):
				x.Failf("closed, and then TryWait: %v", err)
			case closed != nil && (!errors.Is(closed, ErrBusy) || err != nil):
				x.Failf("Close: %v, then TryWait: %v", closed, err)
			}
		})
	})
}
