package bench

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRXEOpenLoop(t *testing.T) {
	needRXE(t)
	for _, x := range []Config{
		{Mode: "event"},
		{Mode: "adaptive", OneWay: true, Size: 4000},
		{Mode: "spin", Dispatch: "queued", Arrival: "burst:8"},
		{Mode: "event", Rate: 50e3, Depth: 16}, // more than it can: with two in flight
		{Mode: "event", Depth: 8, Outstanding: 1},
	} {
		cfg := x
		cfg.CQ, cfg.Count, cfg.Warmup, cfg.Stall, cfg.MaxLag, cfg.Seed = CQRXE, 300, Span{Count: 20}, patience, patient, 3
		def(&cfg.Rate, 500)
		r := runTest(t, cfg, workloadFor(cfg))
		require.Empty(t, r.Conservation.Violations, "%+v", x)
		require.Empty(t, r.Invalid)
		assert.EqualValues(t, 300, r.Results.Operations)
		assert.EqualValues(t, 300, r.Results.Latency.Samples)
		assert.GreaterOrEqual(t, r.Results.Response.Mean, r.Results.Latency.Mean)
		assert.EqualValues(t, 320, r.Conservation.Producers[0].Accepted)
		if x.OneWay {
			assert.Zero(t, r.Conservation.Producers[2].Accepted, "nobody answers")
		} else {
			assert.EqualValues(t, 320, r.Conservation.Producers[2].Accepted)
		}
		assert.Zero(t, r.CQ.Overruns)
		assert.NotEmpty(t, r.Series)
	}
}
