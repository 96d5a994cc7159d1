//go:build explore

package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

// once explores with one preemption: with two these scenarios hold as well, and take
// a minute each.
func once(t *testing.T, body func(x *explore.X)) {
	t.Helper()
	explore.Test(t, explore.Options{Preemptions: 1}, body)
}

// lent is a CQ that is not to be touched once its EVD is closed.
type lent struct {
	*mock.CQ
	s *scen
}

func (l lent) touched() {
	if l.s.after {
		l.s.x.Failf("a CQ is touched whose EVD is closed")
	}
}

func (l lent) Pending() bool                    { l.touched(); return l.CQ.Pending() }
func (l lent) Poll(dst []hwcq.WC) int           { l.touched(); return l.CQ.Poll(dst) }
func (l lent) Arm(solicited bool) (bool, error) { l.touched(); return l.CQ.Arm(solicited) }

// newGroup is a poller with n EVDs over a mock CQ each. Their first act, the look and
// the arm, is done where that is asked for, before there is a second thread: by the
// group's own code.
func newGroup(x *explore.X, n int, done bool, mode Mode, mcfg mock.Config) (*Poller, []*scen) {
	var life func()
	must := func(err error) {
		if err != nil {
			x.Failf("%v", err)
		}
	}
	e, err := newEngine(Config{Workers: 1}, func(role, name string, fn func()) {
		if role == "poller group" {
			life = fn
			return
		}
		x.Daemon(role, fn)
	})
	must(err)
	g, err := e.NewPoller(PollerConfig{})
	must(err)
	var ss []*scen
	for range n {
		s := &scen{x: x, e: e, last: map[uint64]int{}}
		mcfg.Depth = 4
		cq, err := mock.New(mcfg)
		must(err)
		s.cq = []*mock.CQ{cq}
		s.d, err = e.NewEVD(EVDConfig{Poller: g, CQs: []hwcq.CQ{lent{cq, s}}, Streams: DTO | Software, Capacity: 4, Batch: 2, Mode: mode, Policy: SingleInstance, Upcall: s.upcall})
		must(err)
		ss = append(ss, s)
	}
	if done {
		for g.attendAll(); len(g.active) > 0; {
			g.pollAll()
		}
	}
	x.Daemon("group", life)
	return g, ss
}

// checkGroup is the promise of a Poller: at rest all have been looked after, and it
// sleeps.
func (s *scen) checkGroup(g *Poller, members int) {
	s.x.Check(func() {
		if g.ready.Load() != nil || g.todo != nil || len(g.active) > 0 || len(g.late) > 0 {
			s.x.Failf("at rest somebody is on a list")
		}
		if g.asleep.Load() != gToken {
			s.x.Failf("at rest the poller does not sleep: %d", g.asleep.Load())
		}
		if g.members != members {
			s.x.Failf("%d members, want %d", g.members, members)
		}
	})
}

// Two members complete while the group goes to sleep: who of both tells of itself
// first wakes it, and neither is forgotten.
func TestExplorePollerTwo(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		t.Run(mode.String(), func(t *testing.T) {
			once(t, func(x *explore.X) {
				g, ss := newGroup(x, 2, true, mode, mock.Config{})
				for _, s := range ss {
					s.hardware(0, 1)
					s.checkRest()
				}
				ss[0].checkGroup(g, 2)
			})
		})
	}
}

// One member from its beginning: completion, arm and sleep in every order.
func TestExplorePollerStart(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		t.Run(mode.String(), func(t *testing.T) {
			run(t, func(x *explore.X) {
				g, ss := newGroup(x, 1, false, mode, mock.Config{})
				ss[0].hardware(0, 2)
				ss[0].checkRest()
				ss[0].checkGroup(g, 1)
			})
		})
	}
}

// A member leaves beside the completion of another.
func TestExplorePollerClose(t *testing.T) {
	once(t, func(x *explore.X) {
		g, ss := newGroup(x, 2, true, ModeEvent, mock.Config{})
		ss[0].hardware(0, 1)
		ss[0].checkRest()
		x.Go("closer", func() { ss[1].must(ss[1].d.Close()) })
		ss[0].checkGroup(g, 1)
	})
}

// One is closed beside its completion, and while the goroutine looks at it.
func TestExplorePollerCloseBusy(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		t.Run(mode.String(), func(t *testing.T) {
			once(t, func(x *explore.X) {
				g, ss := newGroup(x, 1, true, mode, mock.Config{})
				ss[0].hardware(0, 1)
				x.Go("closer", func() {
					ss[0].must(ss[0].d.Close())
					ss[0].after = true
				})
				ss[0].checkRest()
				ss[0].checkGroup(g, 0)
			})
		})
	}
}

// An arm fails, and is tried again.
func TestExplorePollerArmError(t *testing.T) {
	run(t, func(x *explore.X) {
		g, ss := newGroup(x, 1, true, ModeEvent, mock.Config{Faults: mock.Faults{ArmError: mock.Once(2)}})
		ss[0].hardware(0, 1)
		ss[0].checkRest()
		ss[0].checkGroup(g, 1)
	})
}

// The mode changes beside a completion.
func TestExplorePollerMode(t *testing.T) {
	for _, to := range []Mode{ModeEvent, ModeAdaptive} {
		t.Run(to.String(), func(t *testing.T) {
			once(t, func(x *explore.X) {
				from := ModeAdaptive - to + ModeEvent
				g, ss := newGroup(x, 1, true, from, mock.Config{})
				ss[0].hardware(0, 1)
				x.Go("switcher", func() { ss[0].must(ss[0].d.SetMode(to)) })
				ss[0].checkRest()
				ss[0].checkMode(to)
				ss[0].checkGroup(g, 1)
			})
		})
	}
}

// A budget is used up: the rest is the poller's own next turn, beside a post that
// finds the run queued.
func TestExplorePollerBudget(t *testing.T) {
	once(t, func(x *explore.X) {
		g, ss := newGroup(x, 1, true, ModeEvent, mock.Config{})
		ss[0].d.budget = 1
		ss[0].d.batch = 1
		ss[0].hardware(0, 2)
		ss[0].poster(1, 1)
		ss[0].checkRest()
		ss[0].checkGroup(g, 1)
	})
}

// An upcall closes another EVD of its poller, which polls it or does not, beside
// completions of both; nobody touches that one's CQ afterwards.
func TestExplorePollerCloseInside(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		t.Run(mode.String(), func(t *testing.T) {
			once(t, func(x *explore.X) {
				g, ss := newGroup(x, 2, true, mode, mock.Config{})
				ss[0].onUpcall = func(*Upcall) {
					ss[1].must(ss[1].d.Close())
					ss[1].after = true
				}
				ss[0].hardware(0, 1)
				ss[1].hardware(0, 1)
				ss[0].checkRest()
				ss[0].checkGroup(g, 1)
			})
		})
	}
}

// Who closes an EVD holds a lock that the upcall of another wants.
func TestExplorePollerCloseLocked(t *testing.T) {
	once(t, func(x *explore.X) {
		g, ss := newGroup(x, 2, true, ModeEvent, mock.Config{})
		var mu atom.Mutex
		ss[0].onUpcall = func(*Upcall) {
			mu.Lock()
			defer mu.Unlock()
		}
		ss[0].hardware(0, 1)
		x.Go("closer", func() {
			mu.Lock()
			ss[1].must(ss[1].d.Close())
			ss[1].after = true
			mu.Unlock()
		})
		ss[0].checkRest()
		ss[0].checkGroup(g, 1)
	})
}
