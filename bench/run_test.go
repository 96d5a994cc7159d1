package bench

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// testClock is calibrated once.
var testClock = sync.OnceValue(NewClock)

func runTest(t *testing.T, cfg Config, w workload) *Report {
	t.Helper()
	require.NoError(t, cfg.Validate())
	r, err := run(t.Context(), cfg.WithDefaults(), w, testClock(), Watch{})
	require.NoError(t, err)
	return r
}

func everyMode(t *testing.T, f func(t *testing.T, cfg Config)) {
	for _, mode := range []string{"spin", "event", "adaptive"} {
		for _, dispatch := range []string{"auto", "inline", "queued"} {
			t.Run(mode+"/"+dispatch, func(t *testing.T) { f(t, Config{Mode: mode, Dispatch: dispatch}) })
		}
		t.Run(mode+"/exclusive", func(t *testing.T) { f(t, Config{Mode: mode, Exclusive: true}) })
	}
}

func TestPingPong(t *testing.T) {
	everyMode(t, func(t *testing.T, cfg Config) {
		cfg.Count, cfg.Warmup = 400, Span{Count: 100}
		r := runTest(t, cfg, &mockPingPong{})
		require.Empty(t, r.Conservation.Violations)
		assert.EqualValues(t, 400, r.Results.Operations)
		assert.EqualValues(t, 400, r.Results.Latency.Samples)
		assert.EqualValues(t, 500, r.Conservation.Accepted)
		assert.EqualValues(t, 500, r.Conservation.Delivered)
		assert.Positive(t, r.Results.Rate)
		assert.Positive(t, r.Results.Latency.Min)
		assert.Less(t, r.Results.Latency.Min, int64(time.Second))
		assert.GreaterOrEqual(t, r.Results.Elapsed, r.Results.Latency.Max)
		assert.Zero(t, r.CQ.Overruns)
		assert.False(t, r.Interrupted)
	})
}

func TestOneWay(t *testing.T) {
	everyMode(t, func(t *testing.T, cfg Config) {
		cfg.OneWay, cfg.Count, cfg.Warmup = true, 1000, Span{Off: true}
		r := runTest(t, cfg, &mockOneWay{})
		require.Empty(t, r.Conservation.Violations)
		assert.EqualValues(t, 1000, r.Results.Latency.Samples)
		assert.EqualValues(t, 1000, r.Conservation.Accepted)
		if cfg.Dispatch == "inline" {
			// Not all: while the poller takes its first look at the CQ the EVD
			// is not idle, and a post goes through the ring.
			assert.Positive(t, r.Engine.Direct)
			assert.LessOrEqual(t, r.Engine.Direct, uint64(1000))
		}
	})
}

func TestThroughput(t *testing.T) {
	everyMode(t, func(t *testing.T, cfg Config) {
		cfg.Workload, cfg.Count, cfg.Posters, cfg.Warmup = BW, 12000, 2, Span{Off: true}
		cfg.Capacity = 64
		r := runTest(t, cfg, &throughput{dev: &mockDevice{}})
		require.Empty(t, r.Conservation.Violations)
		assert.EqualValues(t, 12000, r.Results.Operations, "without a warm-up every event is measured")
		assert.EqualValues(t, 12000, r.Conservation.Accepted)
		require.Len(t, r.Conservation.Producers, 3)
		for _, p := range r.Conservation.Producers {
			assert.EqualValues(t, 4000, p.Accepted, p.Name)
			assert.EqualValues(t, 4000, p.Seen, p.Name)
		}
		assert.EqualValues(t, 4000, r.CQ.Completions)
		assert.Greater(t, r.CQ.Polls, r.CQ.EmptyPolls)
	})
}

// Upcalls disable upcalls, the consumer dequeues and enables again, under
// load: nothing is lost on the way.
func TestFlip(t *testing.T) {
	everyMode(t, func(t *testing.T, cfg Config) {
		cfg.Workload, cfg.Count, cfg.Posters, cfg.Flip, cfg.Warmup = BW, 8000, 1, 7, Span{Count: 500}
		r := runTest(t, cfg, &throughput{dev: &mockDevice{}})
		require.Empty(t, r.Conservation.Violations)
		assert.Positive(t, r.Conservation.Dequeued+r.Conservation.Delivered)
		assert.GreaterOrEqual(t, r.Conservation.Accepted, uint64(8000))
	})
}

func TestDurationEndsTheRun(t *testing.T) {
	for _, cfg := range []Config{
		{Workload: Lat, Mode: "event"},
		{Workload: Lat, Mode: "event", OneWay: true},
		{Workload: BW, Mode: "event", Posters: 1},
	} {
		cfg.Duration, cfg.Warmup = 20*time.Millisecond, Span{Time: 5 * time.Millisecond}
		r := runTest(t, cfg, workloadFor(cfg))
		require.Empty(t, r.Conservation.Violations)
		assert.Positive(t, r.Results.Operations)
		assert.Less(t, r.Results.Operations, r.Conservation.Accepted, "the warm-up is not counted")
	}
}

// With both limits the first one reached ends the run.
func TestCountAndDuration(t *testing.T) {
	r := runTest(t, Config{Count: 10, Duration: time.Hour, Mode: "event"}, &mockPingPong{})
	assert.EqualValues(t, 10, r.Results.Operations)
	r = runTest(t, Config{Count: 1 << 40, Duration: time.Millisecond, Mode: "event"}, &mockPingPong{})
	assert.Less(t, r.Results.Operations, uint64(1<<40))
	require.Empty(t, r.Conservation.Violations)
}

func TestInterrupt(t *testing.T) {
	for _, cfg := range []Config{
		{Workload: Lat, Mode: "event"},
		{Workload: Lat, Mode: "event", OneWay: true},
		{Workload: BW, Mode: "spin", Posters: 2},
		{Workload: BW, Mode: "event", Count: 1 << 40, Flip: 3},
	} {
		t.Run(fmt.Sprintf("%s posters=%d", cfg.Workload, cfg.Posters), func(t *testing.T) {
			if cfg.Count == 0 {
				cfg.Duration = time.Hour
			}
			cfg.Warmup = Span{Count: 10}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			w := workloadFor(cfg)
			cfg = cfg.WithDefaults()
			time.AfterFunc(30*time.Millisecond, cancel)
			r, err := run(ctx, cfg, w, testClock(), Watch{})
			require.NoError(t, err)
			assert.True(t, r.Interrupted)
			assert.Empty(t, r.Conservation.Violations, "what was in flight came home")
			assert.Positive(t, r.Conservation.Accepted)
		})
	}
}

// An event that never comes is found, and the run ends.
func TestStall(t *testing.T) {
	cfg := Config{Service: "const:1h", Stall: 100 * time.Millisecond, Mode: "event"}
	r := runTest(t, cfg, &mockPingPong{})
	require.NotEmpty(t, r.Conservation.Violations)
	assert.Equal(t, []string{
		"no event came for 100ms: what is in flight is lost",
		"work requests: missing 1, duplicates 0, reordered 0",
		"accepted 1, but delivered 0 + dequeued 0 + left over 0 = 0",
	}, r.Conservation.Violations)
	assert.False(t, r.Interrupted)

	cfg.Workload = BW
	r = runTest(t, cfg, &throughput{dev: &mockDevice{}})
	assert.Contains(t, r.Conservation.Violations, "work requests: missing 64, duplicates 0, reordered 0")
}

// A lost event is found too when all producers have ended.
func TestStallWhileDraining(t *testing.T) {
	s := &session{cfg: Config{Stall: 100 * time.Millisecond}}
	s.con = s.newUnit().con
	s.con.seen.Store(9)
	assert.True(t, s.settle(func() uint64 { return 9 }))
	assert.False(t, s.settle(func() uint64 { return 10 }))
	assert.Equal(t, []string{"9 of 10 accepted events have come, and none any more for 100ms: what is in flight is lost"}, s.faults)
	assert.Equal(t, stopping, s.phase.load())
	time.AfterFunc(10*time.Millisecond, func() { s.con.seen.Add(1) })
	s.cfg.Stall = time.Hour
	assert.True(t, s.settle(func() uint64 { return 10 }), "late, but there")
}

// Completions that a device tampers with, through the whole engine.
func TestTamperedCompletions(t *testing.T) {
	for _, x := range []struct {
		name string
		fill func(n uint64, wc *hwcq.WC)
		want []string
	}{
		{"doubled and lost", func(n uint64, wc *hwcq.WC) {
			if n == 500 {
				wc.WRID--
			}
		}, []string{"work requests: missing 1, duplicates 1, reordered 0"}},
		{"reordered", func(n uint64, wc *hwcq.WC) {
			switch n {
			case 500:
				wc.WRID++
			case 501:
				wc.WRID--
			}
		}, []string{"work requests: missing 0, duplicates 0, reordered 1"}},
		{"foreign", func(n uint64, wc *hwcq.WC) {
			if n == 999 {
				wc.WRID = WRID(9, 0)
			}
		}, []string{"work requests: missing 1, duplicates 0, reordered 0", "1 events that no producer made"}},
		{"failed", func(n uint64, wc *hwcq.WC) {
			if n == 500 {
				*wc = hwcq.WC{WRID: wc.WRID, Status: hwcq.StatusRetryExcErr, QPNum: 1}
			}
		}, []string{"1 requests failed, the first (0x1f4, QP 1) with transport retry count exceeded (vendor 0x0)"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			n := uint64(0)
			dev := mockDevice{fill: func(wc *hwcq.WC) { x.fill(n, wc); n++ }}
			r := runTest(t, Config{Workload: BW, Mode: "event", Count: 1000, Warmup: Span{Off: true}}, &throughput{dev: &dev})
			assert.Equal(t, x.want, r.Conservation.Violations)
		})
	}
}

// A CQ that is less deep than what is in flight stalls the device, and loses
// nothing.
func TestDepthReachesTheCQ(t *testing.T) {
	for depth, stalls := range map[int]bool{1: true, 1024: false} {
		r := runTest(t, Config{Workload: BW, Mode: "event", Depth: depth, Count: 5000}, &throughput{dev: &mockDevice{}})
		require.Empty(t, r.Conservation.Violations)
		assert.Equal(t, stalls, r.CQ.Stalls > 0, "depth %d: %d stalls", depth, r.CQ.Stalls)
	}
}

func TestRunRefuses(t *testing.T) {
	r, err := Run(t.Context(), Config{Depth: -1})
	assert.Nil(t, r)
	assert.ErrorIs(t, err, engine.ErrInvalid)
}

func TestRunCalibratesAndReports(t *testing.T) {
	r, err := Run(t.Context(), Config{Count: 100, Mode: "event"})
	require.NoError(t, err)
	assert.True(t, r.Conservation.OK())
	assert.NotEmpty(t, r.Env.Clock.Source)
	assert.Equal(t, runtime.Version(), r.Env.Go)
}

// A run leaves no goroutine behind, also one that stalled.
func TestNoGoroutineIsLeft(t *testing.T) {
	before := runtime.NumGoroutine()
	runTest(t, Config{Workload: BW, Posters: 3, Flip: 2, Count: 1000, Mode: "adaptive"}, &throughput{dev: &mockDevice{}})
	runTest(t, Config{Service: "const:1h", Stall: 100 * time.Millisecond, Workload: BW, Posters: 2, Duration: 20 * time.Millisecond}, &throughput{dev: &mockDevice{}})
	for range 200 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	buf := make([]byte, 1<<16)
	t.Fatalf("goroutines: %d before, %d after\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
}

// The paths that run once an event do not allocate.
func TestHotPathsDoNotAllocate(t *testing.T) {
	for _, cfg := range []Config{
		{Mode: "spin", Dispatch: "inline"},
		{Mode: "spin", OneWay: true, Dispatch: "inline"},
		{Workload: BW, Mode: "spin", Posters: 1},
	} {
		cfg.Count, cfg.Warmup = 3000, Span{Count: 100}
		r := runTest(t, cfg, workloadFor(cfg))
		require.Empty(t, r.Conservation.Violations)
		// The process is more than the hot path: goroutines start, timers are
		// made. An allocation an event would be 3000.
		assert.Less(t, r.Results.Mallocs, uint64(500), "%+v", cfg)
	}
}

func TestTurnstile(t *testing.T) {
	for _, spin := range []time.Duration{0, time.Microsecond, time.Hour} {
		t.Run(spin.String(), func(t *testing.T) {
			gone := make(chan struct{})
			clk := MonotonicClock()
			ts := turnstile{wake: make(chan struct{}, 1), gone: gone, clk: clk, spin: clk.Ticks(spin)}
			const n = 5000
			done := make(chan struct{})
			go func() {
				defer close(done)
				for i := uint64(1); i <= n; i++ {
					if !ts.await(i) || ts.at.Load() < i {
						t.Errorf("await(%d) returned at %d", i, ts.at.Load())
						return
					}
				}
			}()
			for i := uint64(1); i <= n; i++ {
				ts.pass(i)
				if i%3 == 0 {
					runtime.Gosched()
				}
			}
			<-done
			left := make(chan bool)
			go func() { left <- ts.await(n + 1) }()
			close(gone)
			assert.False(t, <-left, "nobody will come")
		})
	}
}
