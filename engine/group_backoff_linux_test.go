//go:build !explore

package engine

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
)

// unarmable is a CQ whose arms fail from some time on.
type unarmable struct {
	hwcq.CQ
	fails atom.Bool
}

func (u *unarmable) Arm(solicited bool) (bool, error) {
	if u.fails.Load() {
		return false, errors.New("as asked")
	}
	return u.CQ.Arm(solicited)
}

// A member that backs off does not keep the goroutine awake by a descriptor that is
// readable meanwhile.
func TestPollerSleepsWhileMemberBacksOff(t *testing.T) {
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	g := newPoller(t, e)
	cq := newEventFD(t)
	u := &unarmable{CQ: cq}
	var sum atom.Counter
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{u}, Mode: ModeEvent, Poller: g, Policy: SingleInstance, Upcall: func(v *Upcall) {
		for _, ev := range v.Events() {
			sum.Add(uint64(ev.ByteLen))
		}
	}})
	require.NoError(t, err)
	idle(t, g)
	u.fails.Store(true)
	sent := uint64(0)
	for ; func() uint64 { s, _ := d.CQStats(0); return s.ArmErrors }() < 9; sent++ {
		require.NoError(t, cq.Signal(1))
		waitFor(t, func() bool { return g.Stats().Active == 0 })
	}
	was := g.Stats().Visits
	s, err := d.CQStats(0)
	require.NoError(t, err)
	require.NoError(t, cq.Signal(1))
	sent++
	waitFor(t, func() bool { now, _ := d.CQStats(0); return now.ArmErrors >= s.ArmErrors+3 })
	require.Less(t, g.Stats().Visits, was+50, "three attempts, some 100 ms apart")
	u.fails.Store(false)
	waitFor(t, func() bool { return sum.Load() == sent })
	require.NoError(t, cq.Signal(1))
	waitFor(t, func() bool { return sum.Load() == sent+1 })
}
