//go:build explore

package engine

import (
	"errors"
	"fmt"
	"testing"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// An event that overtakes its completion: who was quick has armed in vain, and
// the watchdog finds the completion.
func TestExploreFaultEarlyEvent(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent}, mock.Config{Faults: mock.Faults{EarlyEvent: mock.Once(1)}})
		s.settledHardware(1)
		x.Go("watchdog", func() {
			explore.Block(func() bool { // armed again, and at rest
				st := s.cq[0].Stats()
				return s.accepted == 1 && st.Arms == 2 && st.EventsRaised == st.EventsTaken && s.d.load().run() == 0
			})
			s.e.tick()
			s.e.tick()
		})
		x.Check(func() {
			if s.got != s.accepted {
				x.Failf("accepted %d, got %d", s.accepted, s.got)
			}
		})
	})
}

// A CQ that ends, by a fatal overrun or with its device, at a completion that
// the explorer chooses: what it has stored comes out, the async error is told
// once, and Close works.
func TestExploreFaultCQEnds(t *testing.T) {
	for _, c := range []struct {
		name   string
		script func(at uint64) mock.Faults
	}{
		{"overrun", func(at uint64) mock.Faults { return mock.Faults{Overrun: mock.Once(at)} }},
		{"removal", func(at uint64) mock.Faults { return mock.Faults{Remove: mock.Once(at)} }},
	} {
		for _, how := range []string{"run", "leave", "enable", "close", "poll"} {
			t.Run(c.name+"/"+how, func(t *testing.T) {
				run(t, func(x *explore.X) {
					at := uint64(1) // of two only where two come
					if how == "run" || how == "poll" {
						at += uint64(x.Choose(2))
					}
					if how == "leave" {
						at = 3
					}
					policy := SingleInstance
					if how == "enable" {
						policy = Disable
					}
					mode := ModeEvent
					if how == "poll" {
						mode = ModeAdaptive
					}
					s := newScen(x, 1, EVDConfig{Policy: policy, Mode: mode}, mock.Config{FatalOverrun: true, Faults: c.script(at)})
					if how == "enable" {
						s.hardware(0, 1)
						x.Go("admin", func() {
							err := s.d.ModifyUpcallAny(SingleInstance, Same)
							if err != nil && !errors.Is(err, hwcq.ErrOverrun) && !errors.Is(err, hwcq.ErrRemoved) {
								x.Failf("%v", err)
							}
						})
					} else if how == "leave" {
						// One is delivered; then, when that run is about to arm
						// and to leave, one is stored and the CQ ends.
						primed(s.d)
						x.Go("hw", func() {
							for i := uint64(1); i <= 3; i++ {
								if ok, _ := s.cq[0].Complete(hwcq.WC{WRID: 100<<8 | i}, false); ok {
									s.accepted++
								}
								if i == 1 {
									explore.Block(func() bool { return s.got == 1 })
								}
							}
						})
					} else if how == "close" {
						primed(s.d)
						s.hardware(0, 1)
					} else if how == "poll" {
						primed(s.d)
						s.hardware(0, 2)
					} else {
						s.settledHardware(2)
					}
					if how == "close" {
						x.Go("closer", func() { s.must(s.d.Close()) })
					}
					x.Check(func() {
						w := s.d.load()
						pending := 0
						if s.cq[0].Pending() {
							pending++
						}
						switch {
						case how == "close" && s.got+s.left > s.accepted:
							x.Failf("accepted %d, got %d, left over %d", s.accepted, s.got, s.left)
						case how != "close" && (s.got != s.accepted || pending > 0):
							x.Failf("accepted %d, got %d, pending %d; word %x", s.accepted, s.got, pending, w)
						case w.run() != 0 || w&(bTAKE|bQUED) != 0:
							x.Failf("not at rest: word %x", w)
						}
					})
				})
			})
		}
	}
}

// A full ring: a post is refused whole, and what was accepted comes out.
func TestExploreFaultRingFull(t *testing.T) {
	for _, dispatch := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run(fmt.Sprint("dispatch ", dispatch), func(t *testing.T) {
			run(t, func(x *explore.X) {
				s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: dispatch, Capacity: 1, Batch: 1}, mock.Config{})
				refused := 0
				for p := range uint64(2) {
					x.Go("poster", func() {
						for i := range uint64(2 - p) {
							switch err := s.d.Post(Event{WRID: p<<8 | (i + 1)}); {
							case err == nil:
								s.accepted++
							case errors.Is(err, ErrFull):
								refused++
							default:
								x.Failf("%v", err)
							}
						}
					})
				}
				s.checkRest()
				x.Check(func() {
					if st := s.d.Stats(); st.Rejected != uint64(refused) || s.accepted+refused != 3 {
						x.Failf("accepted %d, refused %d, counted %d", s.accepted, refused, st.Rejected)
					}
				})
			})
		})
	}
}

// A failed completion whose upcall posts what it makes of it through its own
// handle: the recursion of 2005. Nothing is lost, and no second upcall runs
// beside the first.
func TestExploreFaultErrorCompletion(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 1, EVDConfig{Policy: SingleInstance, Mode: ModeEvent, Batch: 1}, mock.Config{Faults: mock.Faults{ErrorWC: mock.Once(1)}})
		s.onUpcall = func(u *Upcall) {
			for _, ev := range u.Events() {
				if ev.Stream == DTO && ev.Status != hwcq.StatusSuccess {
					s.accepted++
					s.must(u.Post(Event{WRID: 9<<8 | 1}))
				}
			}
		}
		s.settledHardware(1)
		s.checkRest()
	})
}
