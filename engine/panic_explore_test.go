//go:build explore

package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// A panic in any upcall, however it came to be called: the explorer chooses
// which one panics. The slot and the mark are given back, the events of the
// batch count as delivered, upcalls are disabled; and when somebody enables
// them again everything comes, exactly once.
func TestExplorePanicAnywhere(t *testing.T) {
	// Where two preemptions are too many executions: random priorities.
	pct := explore.Options{Search: explore.PCT, Depth: 4, MaxExecutions: 20_000}
	for _, c := range []struct {
		name    string
		upcalls int
		o       explore.Options
		make    func(x *explore.X) *scen
	}{
		{"direct", 2, explore.Options{Merge: true}, func(x *explore.X) *scen {
			s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Batch: 1}, mock.Config{})
			s.poster(1, 2)
			return s
		}},
		{"queued", 2, explore.Options{Merge: true}, func(x *explore.X) *scen {
			s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued, Batch: 1}, mock.Config{})
			s.poster(1, 2)
			return s
		}},
		{"budget", 2, explore.Options{Merge: true}, func(x *explore.X) *scen {
			s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued, Batch: 1, Budget: 1}, mock.Config{})
			s.poster(1, 2)
			return s
		}},
		{"cq", 1, explore.Options{Merge: true}, func(x *explore.X) *scen {
			s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Batch: 1}, mock.Config{})
			s.settledHardware(1)
			return s
		}},
		{"pump", 2, pct, func(x *explore.X) *scen {
			s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Dispatch: DispatchQueued, Batch: 1}, mock.Config{})
			s.settledHardware(2)
			return s
		}},
		{"many", 2, pct, func(x *explore.X) *scen {
			s := newMany(x, 0, 2, EVDConfig{Batch: 1})
			s.poster(1, 2)
			return s
		}},
		{"inside", 2, explore.Options{Merge: true}, func(x *explore.X) *scen {
			s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Batch: 1}, mock.Config{})
			s.poster(1, 1)
			return s
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			explore.Test(t, c.o, func(x *explore.X) {
				s := c.make(x)
				policy := policyOf(s.d.load().level())
				which, n, thrown := x.Choose(c.upcalls+1), 0, false
				s.onUpcall = func(u *Upcall) {
					n++
					if c.name == "inside" && n == 1 {
						s.accepted++
						s.must(u.Post(Event{WRID: 9<<8 | 1}))
					}
					if n == which+1 {
						thrown = true
						s.inside--
						panic("upcall")
					}
				}
				x.Daemon("admin", func() {
					explore.Block(func() bool { return thrown && s.d.load().lim() == 0 })
					s.must(s.d.ModifyUpcallAny(policy, Same))
				})
				s.checkRest()
				x.Check(func() {
					if got := s.d.Stats().Panics; got != map[bool]uint64{true: 1}[thrown] {
						x.Failf("%d panics are counted", got)
					}
				})
			})
		})
	}
}
