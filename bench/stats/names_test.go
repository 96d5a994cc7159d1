package stats_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/result/resulttest"
	"github.com/evdengine/evd/bench/stats"
)

// What conditions and comparisons call a figure is the same figure in reports and plots.
func TestNamesAgree(t *testing.T) {
	n := 0
	for _, r := range []*bench.Report{resulttest.Lat().Reps[0], resulttest.BW().Reps[0]} {
		for _, m := range result.Metrics() {
			s, ok := stats.Find(stats.Metrics(r), m.Short)
			v, has := m.Of(r)
			if !ok || !has || !s.Known() {
				continue
			}
			n++
			require.InDelta(t, v, s.Value, 1e-9, m.Short)
			want := map[result.Better]stats.Better{result.Lower: stats.Lower, result.Higher: stats.Higher, result.Neither: stats.Neither}[m.Better]
			assert.Equal(t, want, s.Better, m.Short)
			assert.Equal(t, m.Time(), s.Unit == stats.Nanos, m.Short)
		}
	}
	assert.Greater(t, n, 25)
}
