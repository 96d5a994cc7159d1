//go:build explore

package engine

import (
	"errors"
	"testing"

	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/explore"
)

// A limit that is lowered under a poster's feet: he trusts a runner that may
// exceed it, or a queued run that a worker will refuse; whoever goes leaves the
// mark. By random priorities, since three events, two workers and an
// administrator are too many interleavings to see all.
func TestExploreManyLowered(t *testing.T) {
	explore.Test(t, explore.Options{Search: explore.PCT, Depth: 4, MaxExecutions: 200_000}, func(x *explore.X) {
		s := newMany(x, 0, 2, EVDConfig{Batch: 1})
		s.poster(1, 2)
		s.poster(2, 2)
		x.Go("admin", func() { s.must(s.d.ModifyUpcall(SingleInstance, Same)) })
		s.checkRest()
	})
}

// Two Closes of one EVD: one of them drains.
func TestExploreCloseTwice(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Dispatch: DispatchInline}, mock.Config{})
		s.poster(1, 2)
		for _, name := range []string{"closer", "other closer"} {
			x.Go(name, func() { s.must(s.d.Close()) })
		}
		x.Check(func() {
			if s.left != s.accepted {
				x.Failf("accepted %d, left over %d", s.accepted, s.left)
			}
		})
	})
}

// The function is replaced only while nobody can be in it.
func TestExploreReplaceUpcall(t *testing.T) {
	run(t, func(x *explore.X) {
		s := newScen(x, 0, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline, Batch: 1}, mock.Config{})
		s.poster(1, 2)
		x.Go("admin", func() {
			s.must(s.d.ModifyUpcall(Disable, Same))
			switch err := s.d.ModifyUpcallAny(SingleInstance, s.upcall); {
			case errors.Is(err, ErrBusy):
				s.must(s.d.ModifyUpcallAny(SingleInstance, Same))
			case err != nil:
				x.Failf("%v", err)
			}
		})
		x.Go("enabler", func() {
			if err := s.d.ModifyUpcallAny(SingleInstance, Same); err != nil {
				x.Failf("%v", err)
			}
		})
		s.checkRest()
	})
}
