package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// The cost of sleeping on a real CQ: each round is a sleep that a completion ended.
func TestRXEWake(t *testing.T) {
	needRXE(t)
	for _, cfg := range []Config{
		{Mode: "event"},
		{Mode: "event", Dispatch: "queued"},
		{Mode: "adaptive", Spin: 50 * time.Microsecond},
	} {
		t.Run(cfg.Mode+"/"+cfg.Dispatch, func(t *testing.T) {
			cfg.CQ, cfg.Count, cfg.Warmup, cfg.Rest, cfg.Stall = CQRXE, 30, Span{Count: 5}, 100*time.Microsecond, patience
			r := wakeTest(t, cfg)
			require.Empty(t, r.Conservation.Violations)
			assert.EqualValues(t, 30, r.Results.Operations)
			assert.GreaterOrEqual(t, r.Engine.Events, uint64(35))
			assert.InDelta(t, r.Results.Latency.Mean, r.Stages.Sum, 3)
			assert.Subset(t, r.Stages.names(), []string{"arm", "wake", "poll"})
		})
	}
}

// The parts of a round trip over soft-RoCE add up to it.
func TestRXEStages(t *testing.T) {
	needRXE(t)
	everyMode(t, func(t *testing.T, cfg Config) {
		cfg.CQ, cfg.Stages, cfg.Count, cfg.Warmup, cfg.Stall = CQRXE, true, 50, Span{Count: 10}, patience
		r := runTest(t, cfg, workloadFor(cfg))
		require.Empty(t, r.Conservation.Violations)
		require.NotNil(t, r.Stages)
		assert.InDelta(t, r.Results.Latency.Mean, r.Stages.Sum, float64(numParts))
	})
}
