package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// oneCQ has one completion at a time and costs next to nothing, so that what is measured
// is the engine.
type oneCQ struct {
	hwcq.CQ
	has bool
}

func (c *oneCQ) Poll(dst []hwcq.WC) int {
	if !c.has {
		return 0
	}
	c.has = false
	dst[0] = hwcq.WC{WRID: 1}
	return 1
}

func (c *oneCQ) Pending() bool          { return c.has }
func (c *oneCQ) Arm(bool) (bool, error) { return c.has, nil }

// BenchmarkEventPass: what a poller does between two sleeps in ModeEvent, for one
// completion: the event, the run, the upcall, the arm and the look after it.
func BenchmarkEventPass(b *testing.B) {
	for _, exclusive := range []bool{false, true} {
		name := "shared"
		if exclusive {
			name = "exclusive"
		}
		b.Run(name, func(b *testing.B) { eventPass(b, exclusive) })
	}
}

func eventPass(b *testing.B, exclusive bool) {
	e, err := newEngine(Config{Workers: 1}, func(string, string, func()) {})
	require.NoError(b, err)
	hw := &oneCQ{CQ: newTestCQ(b, mock.Config{})}
	n := uint64(0)
	d, err := e.NewEVD(EVDConfig{
		CQs: []hwcq.CQ{hw}, Mode: ModeEvent, Dispatch: DispatchInline, Policy: SingleInstance, Exclusive: exclusive,
		Upcall: func(u *Upcall) { n += uint64(len(u.Events())) },
	})
	require.NoError(b, err)
	l := d.links()[0]
	p := l.poll
	p.start(srcWatch) // arms, and comes to its end
	turns := uint64(0)
	for b.Loop() {
		hw.has = true
		l.stats.events.Add(1)
		if !l.cq.Pending() {
			b.Fatal("nothing is there")
		}
		l.fired(false)
		p.start(srcIntr)
		turns++
	}
	require.Equal(b, turns, n)
	require.Equal(b, turns+1, d.Stats().Arms)
}
