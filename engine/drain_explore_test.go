//go:build explore

package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// inlined is an EVD whose posters run its upcalls.
func inlined(batch int) EVDConfig {
	return EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Batch: batch}
}

// Who has lost the slot is delivered by who has it: nothing stays behind.
func TestExploreDrain(t *testing.T) {
	for name, batch := range map[string]int{"all": 2, "rest": 1} {
		t.Run(name, func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, inlined(batch), mock.Config{})
				s.poster(1, 1)
				s.poster(2, 2)
				s.checkRest()
			})
		})
	}
}

// The handle of a hand-off is the next poster's from [X2] on: who has given the slot back
// does not look at it any more, as a deferred function might. (The explorer's own check for
// races finds that.)
func TestExploreDirectHandle(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, inlined(2), mock.Config{})
		s.onUpcall = func(u *Upcall) {
			if u.EVD() != s.d {
				x.Failf("the handle is dead inside its upcall")
			}
		}
		s.poster(1, 1)
		s.poster(2, 1)
		s.checkRest()
	})
}

// Beside somebody who dequeues, and takes what the mark was about.
func TestExploreDrainDequeue(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, inlined(2), mock.Config{})
		s.unorder = true
		s.poster(1, 1)
		s.poster(2, 1)
		x.Go("dequeuer", func() { s.dequeue(s.d.Dequeue) })
		s.checkRest()
	})
}

// Beside Disable and Enable, which takes the mark away.
func TestExploreDrainModify(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, inlined(2), mock.Config{})
		s.poster(1, 1)
		s.poster(2, 1)
		x.Go("policy", func() {
			s.must(s.d.ModifyUpcall(Disable, Same))
			s.must(s.d.ModifyUpcallAny(SingleInstance, Same))
		})
		s.checkRest()
	})
}

// insider has the first upcall post n events itself, as producer 9.
func (s *scen) insider(n int, then func(u *Upcall)) {
	begun := false
	s.onUpcall = func(u *Upcall) {
		if begun {
			return
		}
		begun = true
		for i := range n {
			s.must(u.Post(Event{WRID: 9<<8 | uint64(i+1)}))
			s.accepted++
		}
		then(u)
	}
}

// The mark is there when the drain begins, and somebody posts while it takes.
func TestExploreDrainInside(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, inlined(2), mock.Config{})
		s.insider(1, func(*Upcall) {})
		s.poster(1, 1)
		s.poster(2, 1)
		s.checkRest()
	})
}

// The mark is there, and nothing that it was about.
func TestExploreDrainNothing(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, inlined(2), mock.Config{})
		s.insider(1, func(u *Upcall) { s.dequeue(u.Dequeue) })
		s.poster(1, 1)
		s.poster(2, 1)
		s.checkRest()
	})
}

// The ring is not all that there is.
func TestExploreDrainSpill(t *testing.T) {
	run(t, func(x *explore.X) {
		cfg := inlined(4)
		s := newScen(x, 0, spilling(cfg), mock.Config{})
		s.insider(3, func(*Upcall) {})
		s.poster(1, 1)
		s.checkRest()
	})
}
