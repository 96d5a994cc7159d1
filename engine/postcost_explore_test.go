//go:build explore

package engine

import (
	"slices"
	"strings"
	"testing"

	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// costOf returns what thread does in a scenario, as the explorer sees it: "load word",
// "lock loc7". Loads of other things than the word are left out.
func costOf(t *testing.T, thread string, body func(s *scen), cfg EVDConfig) (ops []string) {
	t.Helper()
	r := explore.Run(explore.Options{MaxExecutions: 1, Preemptions: explore.NoPreemptions}, func(x *explore.X) {
		s := newScen(x, 0, cfg, mock.Config{})
		body(s)
		x.Check(func() { x.Failf("only to see the trace") })
	})
	if r.Failure == nil || !strings.Contains(r.Failure.Reason, "only to see") {
		t.Fatal(r.Failure)
	}
	for line := range strings.Lines(r.Failure.Trace) {
		f := strings.Fields(strings.Replace(line, "!", " ", 1))
		if len(f) < 4 || f[1] != thread || f[2] == "load" && f[3] != "word" || f[2] == "read" || f[2] == "write" {
			continue
		}
		op := f[2]
		if f[3] == "word" {
			op += " word"
		}
		ops = append(ops, op)
	}
	if len(ops) == 0 {
		t.Fatalf("thread %q is not in the trace:\n%s", thread, r.Failure.Trace)
	}
	return ops
}

// What a post costs, operation by operation. No lock means no system call; a signal
// would be one.
func TestExplorePostCost(t *testing.T) {
	inline := EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}
	one := func(d *EVD) error { return d.Post(Event{}) }
	many := func(d *EVD) error { _, err := d.PostN(make([]Event, 3)); return err }
	for _, c := range []struct {
		name   string
		cfg    EVDConfig
		marked bool // an upcall runs, and another post has left MISS
		post   func(d *EVD) error
		want   []string
	}{
		{"idle", inline, false, one, []string{"load word", "cas word", "cas word"}},
		{"marked", inline, true, one, []string{"load word", "cas", "store", "load word"}},
		{"marked, many", inline, true, many, []string{"load word", "cas", "store", "load word"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ops := costOf(t, "it", func(s *scen) {
				s.unorder = true
				if !c.marked {
					s.x.Go("it", func() { s.must(c.post(s.d)) })
					return
				}
				begun := false
				s.onUpcall = func(*Upcall) {
					if begun {
						return
					}
					begun = true
					s.must(s.d.Post(Event{})) // sets MISS
					over := false
					s.x.Go("it", func() {
						s.must(c.post(s.d))
						over = true
					})
					explore.Block(func() bool { return over })
				}
				s.x.Go("first", func() { s.must(s.d.Post(Event{})) })
			}, c.cfg)
			ops = slices.DeleteFunc(ops, func(op string) bool { return op == "start" || op == "end" })
			if !slices.Equal(ops, c.want) {
				t.Errorf("operations %v, not %v", ops, c.want)
			}
		})
	}
}

// A queued post to a worker that runs signals nobody; one to a worker that sleeps does.
func TestExplorePostSignals(t *testing.T) {
	for name, busy := range map[string]bool{"busy": true, "parked": false} {
		t.Run(name, func(t *testing.T) {
			cfg := EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued}
			ops := costOf(t, "it", func(s *scen) {
				s.unorder = true
				if !busy {
					s.x.Go("it", func() {
						explore.Block(func() bool { return s.e.rq.parked > 0 })
						s.must(s.d.Post(Event{}))
					})
					return
				}
				begun, over := false, false
				s.onUpcall = func(*Upcall) {
					if !begun {
						begun = true
						s.x.Go("it", func() {
							s.must(s.d.Post(Event{}))
							over = true
						})
						explore.Block(func() bool { return over })
					}
				}
				s.x.Go("first", func() { s.must(s.d.Post(Event{})) })
			}, cfg)
			signals := slices.ContainsFunc(ops, func(op string) bool { return strings.Contains(op, "signal") })
			if signals == busy {
				t.Errorf("operations %v", ops)
			}
		})
	}
}
