package bench

import (
	"context"
	"runtime"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// stretchOf is a stretch of a closed loop with these times.
func stretchOf(ns ...int64) *stretch {
	q := newStretch(false)
	for _, v := range ns {
		q.service.Record(v)
	}
	return q
}

func seriesOf(width time.Duration) *series { return &series{width: width} }

func (s *series) record(at time.Duration, ns ...int64) {
	var p point
	p.take(stretchOf(ns...))
	s.at(at).merge(&p)
}

// recordOf is record without a stretch, which is slow to make.
func (s *series) recordOf(at time.Duration, ns ...int64) {
	p := point{service: hdr.NewPacked(1, histMost, seriesDigits)}
	for _, v := range ns {
		p.n, p.max = p.n+1, max(p.max, v)
		_ = p.service.RecordValue(v)
	}
	s.at(at).merge(&p)
}

func TestSeries(t *testing.T) {
	s := seriesOf(time.Second)
	s.record(0, 10, 20, 30)
	s.record(3*time.Second, 1000)
	s.record(1500*time.Millisecond, 7) // late, but where it belongs
	s.at(time.Second).merge(&point{cpu: time.Second / 2, wall: time.Second, wakeups: 9})
	got := s.intervals(4*time.Second, 0)
	require.Len(t, got, 4)
	assert.Equal(t, Interval{End: 1e9, Operations: 3, Rate: 3, P50: 20, P99: 30, P999: 30, Max: 30}, got[0])
	assert.Equal(t, Interval{End: 2e9, Operations: 1, Rate: 1, P50: 7, P99: 7, P999: 7, Max: 7, CPU: 50, Wakeups: 9}, got[1])
	assert.Equal(t, Interval{End: 3e9}, got[2], "nothing happened: that is a result")
	assert.EqualValues(t, 1000, got[3].P99)
}

// The event that ends a run, and comes just after its last interval, is no interval.
func TestSeriesEnd(t *testing.T) {
	s := seriesOf(time.Second)
	s.record(0, 10)
	s.record(time.Second, 20)
	s.record(2*time.Second, 30)
	got := s.intervals(2*time.Second+time.Microsecond, 5)
	require.Len(t, got, 2)
	assert.EqualValues(t, 2, got[1].Operations)
	assert.EqualValues(t, 2*time.Second+time.Microsecond, got[1].End)
	assert.EqualValues(t, 30, got[1].Max)
	assert.InDelta(t, 2, got[1].Rate, 1e-3)
	assert.EqualValues(t, 5, got[1].Offered)

	s = seriesOf(time.Second)
	s.record(0, 10)
	got = s.intervals(time.Millisecond, 0)
	require.Len(t, got, 1, "a short run is one interval, however short")
	assert.InDelta(t, 1000, got[0].Rate, 1e-9)

	s.record(time.Second, 20)
	got = s.intervals(1700*time.Millisecond, 0)
	require.Len(t, got, 2)
	assert.InDelta(t, 1/0.7, got[1].Rate, 1e-9)
}

// However long a run is, its series has no more than so many intervals, loses nothing,
// and keeps percentiles that are those of the longer intervals.
func TestSeriesIsBounded(t *testing.T) {
	const n = 10 * maxPoints
	s := seriesOf(time.Second)
	size := 0
	for i := range time.Duration(n) {
		s.recordOf(i*time.Second, 1000+int64(i)%100, 5000)
		require.LessOrEqual(t, len(s.points), maxPoints)
		if i == 2*maxPoints {
			size = s.size()
		}
	}
	assert.LessOrEqual(t, s.size(), 2*size, "its memory does not grow with the run")
	got := s.intervals(n*time.Second, 0)
	sum := uint64(0)
	for i, v := range got {
		sum += v.Operations
		assert.InDelta(t, 2, v.Rate, 1e-9)
		assert.InEpsilon(t, 1099, v.P50, 0.1, "half of them are 1000 to 1099")
		assert.InEpsilon(t, 5000, v.P99, 0.01)
		assert.EqualValues(t, time.Duration(i+1)*16*time.Second, v.End)
	}
	assert.EqualValues(t, 2*n, sum)
}

// size is the memory of the histograms.
func (s *series) size() (n int) {
	for i := range s.points {
		if h := s.points[i].service; h != nil {
			n += h.GetMemorySize()
		}
	}
	return n
}

// A late stretch may be of a time that has become part of a longer interval.
func TestSeriesCoarsens(t *testing.T) {
	s := seriesOf(time.Second)
	s.record(1000*time.Second, 1)
	s.record(3*time.Second, 2)
	assert.Equal(t, 2*time.Second, s.width)
	assert.EqualValues(t, 1, s.points[1].n)
	assert.EqualValues(t, 1, s.points[500].n)
	s.record(1<<40*time.Nanosecond, 3)
	assert.LessOrEqual(t, len(s.points), maxPoints)
	assert.EqualValues(t, 3, s.operations())
}

// The recorder hands stretches over as time goes on, and goes on with what it has when
// nobody takes them.
func TestRecorderTurns(t *testing.T) {
	r := newRecorder(MonotonicClock(), time.Microsecond, false, Watch{})
	r.begin(5000)
	r.record(5000, 1)
	r.record(5999, 2)
	require.Nil(t, r.full.Load())
	r.record(6000, 3) // the first of the second stretch
	first := r.full.Load()
	require.NotNil(t, first)
	assert.EqualValues(t, 2, first.service.Count())
	assert.EqualValues(t, 1, r.cur.first)
	r.record(7500, 4) // the third, and the first was not taken
	assert.Same(t, first, r.full.Load())
	assert.EqualValues(t, 1, r.cur.first)
	assert.EqualValues(t, 2, r.cur.service.Count())
	r.full.Store(nil)
	r.record(7800, 5)
	assert.Nil(t, r.full.Load(), "in the middle of a stretch")
	first.reset()
	r.spare.Store(first)
	r.record(10100, 6) // nothing came for a while
	require.NotNil(t, r.full.Load())
	assert.EqualValues(t, 3, r.full.Load().service.Count())
	assert.EqualValues(t, 5, r.cur.first)
	assert.EqualValues(t, 1, r.cur.service.Count())
}

func TestBreachIsToldOnce(t *testing.T) {
	var got []int64
	w := Watch{Breach: 100, Breached: func(ns int64) { got = append(got, ns) }}
	r := newRecorder(MonotonicClock(), time.Second, true, w)
	r.begin(0)
	r.recordOpen(1, 100, 100, 0)
	r.recordOpen(2, 100, 150, 50)
	r.recordOpen(3, 900, 900, 0)
	assert.Equal(t, []int64{150}, got)

	got = nil
	cfg := Config{Count: 100, Mode: "event", Warmup: Span{Off: true}}.WithDefaults()
	rep, err := run(t.Context(), cfg, &mockPingPong{}, testClock(), Watch{Breach: 1, Breached: w.Breached})
	require.NoError(t, err)
	require.Len(t, got, 1)
	assert.GreaterOrEqual(t, got[0], rep.Results.Latency.Min)
}

// The series of a run accounts for all that was measured, and ends when it did.
func TestSeriesOfARun(t *testing.T) {
	for _, cfg := range []Config{
		{Mode: "event"},
		{Mode: "event", OneWay: true},
		{Mode: "event", Rate: 5000, MaxLag: patient},
	} {
		cfg.Duration, cfg.Interval, cfg.Warmup = 60*time.Millisecond, 10*time.Millisecond, Span{Count: 10}
		r := runTest(t, cfg, workloadFor(cfg))
		require.Empty(t, r.Conservation.Violations)
		sum := uint64(0)
		for _, v := range r.Series {
			sum += v.Operations
			assert.Equal(t, cfg.Rate, v.Offered)
		}
		assert.Equal(t, r.Results.Operations, sum)
		assert.EqualValues(t, r.Results.Operations, r.Histograms["service"].Count())
		assert.Equal(t, r.Results.Elapsed, r.Series[len(r.Series)-1].End)
	}
	r := runTest(t, Config{Workload: BW, Duration: 60 * time.Millisecond, Interval: 10 * time.Millisecond}, &throughput{dev: &mockDevice{}})
	require.NotEmpty(t, r.Series)
	sum := uint64(0)
	for _, v := range r.Series {
		sum += v.Operations
		assert.Zero(t, v.P50)
	}
	assert.Positive(t, sum)
}

// Progress is told while a run goes on, and not afterwards.
func TestProgress(t *testing.T) {
	for _, cfg := range []Config{
		{Mode: "event"},
		{Mode: "event", Rate: 5000, MaxLag: patient},
		{Mode: "event", Workload: BW},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		over := false
		var all []Progress
		w := Watch{Every: 10 * time.Millisecond, Progress: func(p Progress) {
			assert.False(t, over)
			if all = append(all, p); p.Phase == "measure" && p.Done > 0 && len(all) > 3 {
				cancel()
			}
		}}
		cfg.Duration = time.Hour
		cfg.Warmup = Span{Time: 30 * time.Millisecond}
		r, err := RunWatched(ctx, cfg, w)
		over = true // the race detector watches: the last call was before
		require.NoError(t, err)
		require.Empty(t, r.Conservation.Violations)
		done := uint64(0)
		for _, p := range all {
			assert.Contains(t, []string{"warm-up", "measure", "stop"}, p.Phase)
			assert.GreaterOrEqual(t, p.Done, done)
			assert.EqualValues(t, p.Elapsed, p.Interval.End)
			if cfg.Workload != BW {
				assert.Equal(t, p.Done, p.SoFar.Samples)
			}
			done = p.Done
		}
		assert.Positive(t, done)
	}
}

// A watched run allocates no more for each event than one that nobody watches: nothing.
func TestMemoryIsConstantInRunLength(t *testing.T) {
	run := func(cfg Config) (kept int64, mallocs uint64) {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		r := runTest(t, cfg, workloadFor(cfg))
		require.Empty(t, r.Conservation.Violations)
		runtime.GC()
		runtime.ReadMemStats(&after)
		mallocs = r.Results.Mallocs
		runtime.KeepAlive(r)
		return int64(after.HeapAlloc) - int64(before.HeapAlloc), mallocs
	}
	for _, cfg := range []Config{{Mode: "event"}, {Mode: "event", Rate: 1e6, MaxLag: patient, Outstanding: 64}} {
		cfg.Warmup, cfg.Interval = Span{Count: 100}, time.Hour
		cfg.Count = 500
		run(cfg)
		short, few := run(cfg)
		cfg.Count = 5000
		long, many := run(cfg)
		assert.InDelta(t, short, long, 200<<10, "what a report keeps")
		assert.Less(t, many, few+cfg.Count/5, "heap objects of ten times as many events")
	}
}

func BenchmarkRecorder(b *testing.B) {
	for _, open := range []bool{false, true} {
		name := "closed"
		if open {
			name = "open"
		}
		b.Run(name, func(b *testing.B) {
			r := newRecorder(MonotonicClock(), time.Hour, open, Watch{})
			r.begin(0)
			x := uint64(1)
			b.ReportAllocs()
			for b.Loop() {
				x = x*6364136223846793005 + 1442695040888963407
				v := 1000 + int64(x>>50)
				if open {
					r.recordOpen(0, v, v+5, 5)
				} else {
					r.record(0, v)
				}
			}
		})
	}
}

// A step that is no whole part of an interval, by some ns, belongs where most of it lies.
func TestStepsOfAnInterval(t *testing.T) {
	w := &watcher{s: &session{}, step: time.Second / 7, series: series{width: time.Second}}
	for i := range time.Duration(28) {
		w.add(i*w.step, &point{n: 1})
	}
	require.Len(t, w.series.points, 4)
	for _, p := range w.series.points {
		assert.EqualValues(t, 7, p.n)
	}
}

// Events that are counted now and then are so many in the time between two counts, not
// in the interval that was to be between them.
func TestRateOfACount(t *testing.T) {
	s := seriesOf(10 * time.Millisecond)
	s.at(0).merge(&point{n: 15, over: 15 * time.Millisecond})
	s.at(10 * time.Millisecond).merge(&point{n: 3, over: 5 * time.Millisecond})
	s.at(10 * time.Millisecond).merge(&point{n: 2})
	got := s.intervals(20*time.Millisecond, 0)
	assert.InDelta(t, 1000, got[0].Rate, 1e-9)
	assert.InDelta(t, 1000, got[1].Rate, 1e-9)
}
