//go:build explore

package engine

import (
	"testing"

	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// Engine.Close waits for its workers, also for one that has yet to begin.
func TestExploreWorkersEnd(t *testing.T) {
	run(t, func(x *explore.X) {
		begun := 0
		e, err := newEngine(Config{Workers: 2}, func(role, _ string, fn func()) {
			x.Daemon(role, func() {
				begun++
				fn()
			})
		})
		if err != nil {
			x.Failf("%v", err)
		}
		x.Go("closer", func() {
			if err := e.Close(); err != nil || begun != 2 {
				x.Failf("closed (%v), and %d workers had begun", err, begun)
			}
		})
	})
}

// The run queue knows how many workers sleep: more would cost a wake-up with
// every queued run.
func TestExploreParked(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued}, mock.Config{})
		s.poster(1, 2)
		x.Check(func() {
			if s.e.rq.parked != 1 {
				x.Failf("%d of 1 worker are parked", s.e.rq.parked)
			}
		})
	})
}
