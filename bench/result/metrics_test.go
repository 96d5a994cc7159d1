package result_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/result/resulttest"
)

func metric(t *testing.T, name string) result.Metric {
	t.Helper()
	m, ok := result.MetricNamed(name)
	require.True(t, ok, name)
	return m
}

func TestMetrics(t *testing.T) {
	seen := map[string]bool{}
	for _, m := range result.Metrics() {
		assert.False(t, seen[m.Name], "%s twice", m.Name)
		seen[m.Name] = true
		assert.NotEmpty(t, m.Label)
		assert.False(t, seen[m.Short] && m.Short != m.Name, "%s twice", m.Short)
		seen[m.Short] = true
	}
	f := resulttest.Lat()
	p99 := metric(t, "service_p99_ns")
	assert.True(t, p99.Time())
	assert.Equal(t, []float64{3937, 3999, 4041}, p99.Over(f.Reps))
	median, least, most, ok := p99.Median(f.Reps)
	assert.Equal(t, []float64{3999, 3937, 4041}, []float64{median, least, most})
	assert.True(t, ok)
	median, _, _, _ = p99.Median(f.Reps[:2])
	assert.Equal(t, 3968.0, median, "of an even number: the middle of the two")

	_, _, _, ok = p99.Median(resulttest.BW().Reps)
	assert.False(t, ok, "bw has none")
	for _, name := range []string{"service_p99.99_ns", "offered_per_second", "wake_cost_ns"} {
		_, ok = metric(t, name).Of(resulttest.BW().Reps[0])
		assert.False(t, ok, name)
	}
	_, ok = metric(t, "service_p99.99_ns").Of(f.Reps[0])
	assert.False(t, ok, "too few samples for it")
	for name, want := range map[string]string{
		"p99": "service_p99_ns", "svc.p99": "service_p99_ns", "resp.sd": "response_stddev_ns", "rate": "per_second", "max": "service_max_ns",
	} {
		assert.Equal(t, want, metric(t, name).Name)
	}
	_, ok = result.MetricNamed("p98")
	assert.False(t, ok)
}

// Who asked for other percentiles has the usual ones too, if the whole population is
// there.
func TestMetricsOfOtherPercentiles(t *testing.T) {
	r := resulttest.Lat().Reps[0]
	p99 := metric(t, "service_p99_ns")
	want, _ := p99.Of(r)
	s := r.Histograms["service"].Summary(75)
	r.Results.Latency = &s
	got, ok := p99.Of(r)
	assert.True(t, ok)
	assert.Equal(t, want, got)
	_, ok = metric(t, "service_p99.99_ns").Of(r)
	assert.False(t, ok, "too few samples for it, still")
	r.Histograms = nil
	_, ok = p99.Of(r)
	assert.False(t, ok)
}
