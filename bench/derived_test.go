package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The figures that are made of others.
func TestDerivedFigures(t *testing.T) {
	for _, cfg := range []Config{
		{Mode: "spin", Count: 5000},
		{Workload: BW, Mode: "spin", Count: 50000},
	} {
		r := runTest(t, cfg, workloadFor(cfg))
		require.Empty(t, r.Conservation.Violations)
		s := &r.Results
		require.Positive(t, s.Elapsed)
		ops, ns := float64(s.Operations), float64(s.Elapsed)
		assert.InEpsilon(t, ops*1e9/ns, s.Rate, 1e-9)
		assert.InEpsilon(t, ns/ops, s.PerOp, 1e-9)
		assert.InEpsilon(t, float64(r.Engine.Delivered)/float64(r.Engine.Upcalls), s.EventsPerUpcall, 1e-9)
	}
}

// overrun is a run whose CQ says that it dropped completions.
type overrun struct{ mockPingPong }

func (o *overrun) report(r *Report) {
	o.mockPingPong.report(r)
	r.CQ.Overruns = 3
}

func TestOverrunIsAViolation(t *testing.T) {
	r := runTest(t, Config{Count: 10, Mode: "event"}, &overrun{})
	assert.Equal(t, []string{"the CQ dropped 3 completions"}, r.Conservation.Violations)
}

// A run of a number of events is measured until the last, one of a time until
// the time is over.
func TestWindow(t *testing.T) {
	for _, x := range []struct {
		cfg  Config
		want uint64
	}{
		{Config{Count: 20}, 11},
		{Config{}, 7},
		{Config{Warmup: Span{Off: true}}, 10},
	} {
		w := window{clk: MonotonicClock(), cfg: x.cfg}
		w.note(1, warming)
		w.note(3, measuring) // opens the window
		w.note(5, measuring)
		w.note(2, stopping)
		w.note(4, stopping)
		assert.Equal(t, x.want, w.n, "%+v", x.cfg)
		assert.GreaterOrEqual(t, w.end, w.start)
	}
}

// With a peer the warm-up is part of the count: both make count rounds.
func TestPaceCountsTheWarmup(t *testing.T) {
	rounds := func(cfg Config) (all, recorded int) {
		p := newPace(cfg, MonotonicClock(), &phaseWord{})
		p.begin(0)
		for more := true; more; all++ {
			var record bool
			if record, more = p.round(Ticks(time.Duration(all))); record {
				recorded++
			}
		}
		return all, recorded
	}
	all, recorded := rounds(Config{CQ: CQRXE, Peer: "h:1", Count: 50, Warmup: Span{Count: 5}})
	assert.Equal(t, []int{50, 45}, []int{all, recorded})
	all, recorded = rounds(Config{Count: 50, Warmup: Span{Count: 5}})
	assert.Equal(t, []int{55, 50}, []int{all, recorded})
}
