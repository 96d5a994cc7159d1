package chart

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/result/resulttest"
	"github.com/evdengine/evd/internal/param"
)

func chartOf(t *testing.T, kind string, o Options, files ...*result.File) *Chart {
	t.Helper()
	c, err := New(kind, o, files...)
	require.NoError(t, err)
	for _, s := range c.Series {
		require.NotEmpty(t, s.Points, s.Name)
		for i, p := range s.Points {
			require.False(t, math.IsNaN(p.X+p.Y) || math.IsInf(p.X+p.Y, 0), "%s %v", s.Name, p)
			if i > 0 {
				require.Greater(t, p.X, s.Points[i-1].X-1e-9, "%s goes back", s.Name)
			}
		}
	}
	x, y := c.Range()
	for _, s := range c.Series {
		for _, p := range s.Points {
			require.InDelta(t, 0.5, c.X.Place(p.X, x), 0.5, "%s outside", s.Name)
			require.InDelta(t, 0.5, c.Y.Place(p.Y, y), 0.5, "%s outside", s.Name)
		}
	}
	return c
}

func names(c *Chart) []string {
	var all []string
	for _, s := range c.Series {
		all = append(all, s.Name)
	}
	return all
}

func two() []*result.File {
	a, b := resulttest.Lat(), resulttest.Slower()
	a.Name, b.Name = "a.json", "b.json"
	return []*result.File{a, b}
}

func TestPercentiles(t *testing.T) {
	f := resulttest.Lat()
	c := chartOf(t, Percentiles, Options{}, f)
	assert.Equal(t, []string{"service", "service max", "response", "response max"}, names(c))
	assert.True(t, c.Follows(1))
	assert.False(t, c.Follows(0))
	assert.False(t, c.Follows(2))
	all := Merged(f, "service")
	require.Equal(t, uint64(150_000), all.Count())
	p := c.Series[0].Points
	assert.Equal(t, Point{1, float64(all.At(0))}, p[0])
	assert.LessOrEqual(t, p[len(p)-1].X, 15_000.0, "ten samples lie above it")
	found := false
	for _, q := range p {
		if math.Abs(q.X-1000) < 1e-6 {
			found = true
			assert.Equal(t, float64(all.At(99.9)), q.Y)
		}
	}
	assert.True(t, found, "the curve has a point at 99.9 %")
	assert.Equal(t, []Point{{150_000, float64(all.At(100))}}, c.Series[1].Points)

	assert.Equal(t, []string{"a.json service", "a.json service max", "b.json service", "b.json service max"}, names(chartOf(t, Percentiles, Options{}, two()...)))
	assert.Equal(t, []string{"stage/wake", "stage/wake max"}, names(chartOf(t, Percentiles, Options{Histogram: "stage/wake"}, f)))
}

func TestDistributions(t *testing.T) {
	f := resulttest.Lat()
	c := chartOf(t, CDF, Options{}, f)
	for _, s := range c.Series {
		for i, p := range s.Points {
			if i > 0 {
				require.Greater(t, p.Y, s.Points[i-1].Y)
			}
		}
		assert.Equal(t, 1.0, s.Points[len(s.Points)-1].Y)
		assert.Less(t, len(s.Points), 400)
	}
	for _, f := range []*result.File{f, single(5), single(1, 1000), single(1, 2, 3, 1_000_000_000)} {
		c = chartOf(t, Histogram, Options{}, f)
		for _, s := range c.Series {
			sum := 0.0
			for _, p := range s.Points {
				sum += p.Y
			}
			assert.InDelta(t, 1, sum, 1e-9, "every sample is in a bin")
		}
	}
	chartOf(t, CDF, Options{}, single(0))
	chartOf(t, Percentiles, Options{}, single(0))
}

// single is a result with one histogram of these times.
func single(ns ...int64) *result.File {
	h := bench.NewHist()
	for _, n := range ns {
		h.Record(n)
	}
	return &result.File{Command: "jitter", Reps: []*bench.Report{{Histograms: map[string]*bench.Hist{"jitter": h, "none": bench.NewHist()}}}}
}

func TestTimeline(t *testing.T) {
	c := chartOf(t, Timeline, Options{}, resulttest.Lat())
	assert.Equal(t, []string{"p50", "p99", "p99.9", "max", "response p99"}, names(c))
	require.Len(t, c.Series[0].Points, 30)
	assert.Equal(t, 30.0, c.Series[0].Points[29].X, "repetitions follow one another")
	c = chartOf(t, Timeline, Options{}, resulttest.BW())
	assert.Equal(t, []string{"done"}, names(c))
	assert.Equal(t, PerSec, c.Y.Unit)
	assert.Equal(t, []string{"a.json p99", "b.json p99"}, names(chartOf(t, Timeline, Options{}, two()...)))
	assert.Equal(t, []string{"lat done", "bw done"}, names(chartOf(t, Timeline, Options{}, resulttest.Lat(), resulttest.BW())))
}

func TestRepetitions(t *testing.T) {
	c := chartOf(t, Repetitions, Options{}, resulttest.Lat())
	assert.Equal(t, []string{"service p50", "service p99", "service p99.9", "response p99"}, names(c))
	assert.Equal(t, []string{"1", "2", "3"}, c.X.Names)
	assert.Equal(t, []string{"rate"}, names(chartOf(t, Repetitions, Options{}, resulttest.BW())))
	assert.Equal(t, []string{"a.json service p99", "b.json service p99"}, names(chartOf(t, Repetitions, Options{}, two()...)))
}

func TestSweep(t *testing.T) {
	c := chartOf(t, Sweep, Options{}, resulttest.Sweep())
	assert.Equal(t, []string{"mode=spin", "mode=event"}, names(c))
	assert.Equal(t, []string{"1", "8", "64"}, c.X.Names)
	assert.Equal(t, []Point{{0, 2e6}, {1, 7e6}, {2, 12e6}}, c.Series[0].Points)
	c = chartOf(t, Sweep, Options{Over: "mode", Metric: "cpu_percent"}, resulttest.Sweep())
	assert.Equal(t, []string{"outstanding=1", "outstanding=8", "outstanding=64"}, names(c))
	assert.Equal(t, []string{"spin", "event"}, c.X.Names)
	a, b := resulttest.Sweep(), resulttest.Sweep()
	a.Name, b.Name = "a", "b"
	assert.Equal(t, []string{"a mode=spin", "a mode=event", "b mode=spin", "b mode=event"}, names(chartOf(t, Sweep, Options{}, a, b)))
}

func TestOrderOfPlaces(t *testing.T) {
	for _, x := range []struct{ given, want []string }{
		{[]string{"1k", "64", "8"}, []string{"8", "64", "1k"}},
		{[]string{"1ms", "20us", "5s"}, []string{"20us", "1ms", "5s"}},
		{[]string{"spin", "event"}, []string{"spin", "event"}},
		{[]string{"64", "auto", "8"}, []string{"64", "auto", "8"}},
	} {
		var cells []*result.File
		for _, s := range x.given {
			cells = append(cells, &result.File{Settings: map[string]string{"s": s}})
		}
		assert.Equal(t, x.want, places("s", cells).Names)
	}
}

func TestMissing(t *testing.T) {
	bare := resulttest.BW()
	bare.Reps[0].Series = nil
	for _, x := range []struct {
		kind string
		o    Options
		f    *result.File
		want string
	}{
		{Percentiles, Options{}, resulttest.BW(), "bw has no histogram: there is nothing to draw; it has a timeline"},
		{Histogram, Options{}, bare, "it has nothing that can be drawn"},
		{CDF, Options{Histogram: "stage/x"}, resulttest.Lat(), `lat has no histogram "stage/x": there is nothing to draw; it has the histograms response, service, stage/arm`},
		{Timeline, Options{}, single(5), "jitter has no series: there is nothing to draw; it has the histograms jitter"},
		{Timeline, Options{}, resulttest.Sweep(), "it has a sweep of 6 cells"},
		{Sweep, Options{}, resulttest.Lat(), "lat is no sweep"},
		{Sweep, Options{Metric: "service_p99_ns"}, resulttest.Sweep(), "no cell has a service_p99_ns"},
		{Repetitions, Options{}, resulttest.Sweep(), "sweep has no repetitions"},
	} {
		_, err := New(x.kind, x.o, x.f)
		require.ErrorIs(t, err, ErrMissing)
		assert.Contains(t, err.Error(), x.want)
	}
	_, err := New(Percentiles, Options{})
	require.ErrorIs(t, err, ErrMissing)
	for _, x := range []struct {
		kind string
		o    Options
		want string
	}{
		{"pie", Options{}, `kind = "pie": must be one of percentiles, timeline`},
		{Sweep, Options{Metric: "x"}, `metric = "x": must be one of operations, `},
		{Sweep, Options{Over: "depth"}, `over = "depth": must be a setting that varies: mode, outstanding`},
	} {
		_, err := New(x.kind, x.o, resulttest.Sweep())
		require.ErrorIs(t, err, param.ErrInvalid)
		assert.Contains(t, err.Error(), x.want)
	}
}

func TestTicks(t *testing.T) {
	labels := func(a Axis, low, high float64) (all []string) {
		for _, t := range a.Ticks([2]float64{low, high}) {
			all = append(all, t.Label)
		}
		return all
	}
	assert.Equal(t, []string{"0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"}, labels(Axis{Scale: Nines}, 1, 12_000))
	assert.Equal(t, []string{"1 µs", "2 µs", "5 µs", "10 µs", "20 µs"}, labels(Axis{Scale: Log, Unit: Nanos}, 999, 40_000))
	assert.Equal(t, []string{"100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s"}, labels(Axis{Scale: Log, Unit: Nanos}, 90, 2e9))
	assert.Equal(t, []string{"3 µs", "4 µs", "5 µs"}, labels(Axis{Scale: Log, Unit: Nanos}, 2500, 5500))
	assert.Equal(t, []string{"0/s", "5M/s", "10M/s"}, labels(Axis{Unit: PerSec}, 0, 12.6e6))
	assert.Equal(t, []string{"0 s", "0.05 s", "0.1 s", "0.15 s", "0.2 s", "0.25 s", "0.3 s"}, labels(Axis{Unit: Seconds}, 0, 0.3))
	assert.Equal(t, []string{"0 %", "20 %", "40 %", "60 %", "80 %", "100 %"}, labels(Axis{Unit: Share}, 0, 1))
	assert.Equal(t, []string{"a", "b"}, labels(Axis{Scale: Names, Names: []string{"a", "b"}}, -0.5, 1.5))
	for _, a := range []Axis{{Scale: Log}, {Scale: Nines}, {}} {
		r := [2]float64{1, 1000}
		for _, v := range []float64{1, 10, 999, 1000} {
			assert.InDelta(t, v, a.Value(a.Place(v, r), r), 1e-9)
		}
	}
}
