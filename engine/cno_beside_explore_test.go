//go:build explore

package engine

import (
	"errors"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// server waits for EVDs for as long as the scenario lasts, and takes one event of
// each that it is given. (It is its next Wait that gives the EVD back.)
func (s *cnoScen) server() {
	w := s.waiter()
	s.x.Daemon("server", func() {
		for {
			d, err := s.wait("server", w)
			s.must(err)
			s.dequeue(d)
			s.has[d] = ""
		}
	})
}

// resizer makes EVD i as large as n, unless more is pending in it.
func (s *cnoScen) resizer(i, n int) {
	s.x.Go("resizer", func() {
		if err := s.ds[i].Resize(n); err == nil && s.ds[i].Capacity() != n || err != nil && !errors.Is(err, ErrTooSmall) {
			s.x.Failf("Resize(%d): %v, and the capacity is %d", n, err, s.ds[i].Capacity())
		}
	})
}

// On a CNO: who becomes smaller has the EVD for a moment, in which a look for the CNO
// goes away over it, and nobody but he can tell the CNO afterwards. Who becomes larger
// leaves events in two rings.
func TestExploreCNOResize(t *testing.T) {
	for name, n := range map[string]int{"grow": 2, "shrink": 1} {
		t.Run(name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newCNOScen(x, 1, false)
				s.must(s.ds[0].Resize(3 - n))
				s.poster(0, 2)
				s.resizer(0, n)
				s.server()
				s.checkRest(0)
			})
		})
	}
}

// On a CNO: the CQ cannot be armed by whoever looks for the CNO, beside a completion.
// It is tried again, and nothing is forgotten.
func TestExploreCNOArmError(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newFaultyCNOScen(x, 1, true, armErrors(1))
		primed(s.ds[0])
		if w := s.ds[0].load(); w&bARM != 0 || w.run() != 0 {
			x.Failf("the arm has failed, and the word is %x", w)
		}
		s.server()
		x.Go("hw", s.complete)
		s.checkRest(0)
	})
}

// And while it is taken off, put on again, and the CQ completes: the run that cannot
// arm may end up off the CNO.
func TestExploreCNOArmErrorFlip(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newFaultyCNOScen(x, 1, true, armErrors(2))
		s.revoked = true
		primed(s.ds[0]) // the second arm is that of the poller's retry
		x.Go("admin", func() {
			s.must(s.ds[0].ModifyCNO(nil))
			s.must(s.ds[0].ModifyCNO(s.c))
			s.complete()
		})
		s.checkRest(1)
	})
}

// The CQ ends when the waiter is done, and it is the arm that finds out: what it has
// stored since he took is told.
func TestExploreCNOArmEnds(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newFaultyCNOScen(x, 1, true, mock.Config{FatalOverrun: true, Faults: mock.Faults{Overrun: mock.Once(3)}})
		primed(s.ds[0])
		s.complete()
		s.consumer("waiter", 2)
		x.Go("hw", func() {
			explore.Block(func() bool { return s.got == 1 })
			s.complete()
			s.complete() // none: it is one too many
		})
	})
}

// armErrors fails the first n arms.
func armErrors(n uint64) mock.Config {
	return mock.Config{Faults: mock.Faults{ArmError: mock.Rule{First: 1, Count: n}}}
}

// complete stores a completion.
func (s *cnoScen) complete() {
	if ok, _ := s.cq.Complete(hwcq.WC{}, false); ok {
		s.accepted++
	}
}
