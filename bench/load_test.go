package bench

import (
	"context"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
)

func TestParseArrival(t *testing.T) {
	for s, want := range map[string]arrival{
		"const": {burst: 1}, "poisson": {burst: 1, poisson: true}, "burst:1": {burst: 1}, "burst:32": {burst: 32},
	} {
		a, err := parseArrival(s)
		require.NoError(t, err, s)
		assert.Equal(t, want, a, s)
	}
	for _, s := range []string{"", "x", "burst", "burst:", "burst:0", "burst:-1", "burst:1048577", "burst:1.5", "const:1", "Poisson"} {
		_, err := parseArrival(s)
		assert.ErrorIs(t, err, engine.ErrInvalid, s)
		assert.ErrorContains(t, err, "arrival = ", s)
	}
}

// due is when the first n requests of a schedule are due.
func due(a string, rate, hertz float64, seed uint64, n int) []Ticks {
	k, err := parseArrival(a)
	if err != nil {
		panic(err)
	}
	s, all := newSchedule(k, rate, hertz, seed), make([]Ticks, n)
	for i := range all {
		all[i] = s.next()
	}
	return all
}

// A constant rate does not drift: the errors of the periods do not add up.
func TestConstantArrivals(t *testing.T) {
	at := due("const", 3, 1e9, 0, 3_000_001)
	assert.EqualValues(t, 0, at[0])
	assert.EqualValues(t, 333_333_333, at[1])
	assert.EqualValues(t, 1e15, at[3_000_000])
	at = due("burst:4", 4e6, 1e9, 0, 10)
	assert.Equal(t, []Ticks{0, 0, 0, 0, 1000, 1000, 1000, 1000, 2000, 2000}, at)
}

// Poisson arrivals: the gaps are exponential, by the test of Kolmogorov and Smirnov, and
// do not depend on each other.
func TestPoissonArrivals(t *testing.T) {
	const n, mean = 200_000, 5000.0
	at := due("poisson", 1e9/mean, 1e9, 1, n)
	require.True(t, slices.IsSorted(at))
	gaps := make([]float64, n)
	last := Ticks(0)
	for i, a := range at {
		gaps[i], last = float64(a-last), a
	}
	assert.InEpsilon(t, mean*n, float64(last), 4/math.Sqrt(n), "the rate")

	follows := 0.0
	for i := 1; i < n; i++ {
		follows += (gaps[i] - mean) * (gaps[i-1] - mean)
	}
	assert.InDelta(t, 0, follows/n/mean/mean, 4/math.Sqrt(n), "a gap says nothing about the next")

	slices.Sort(gaps)
	worst := 0.0
	for i, g := range gaps {
		f := 1 - math.Exp(-g/mean)
		worst = max(worst, math.Abs(f-float64(i)/n), math.Abs(f-float64(i+1)/n))
	}
	assert.Less(t, worst, 1.63/math.Sqrt(n), "at the level of 1 %")
}

// The same seed is the same load, another one is not.
func TestArrivalsAreSeeded(t *testing.T) {
	a, b, c := due("poisson", 1e6, 1e9, 1, 100), due("poisson", 1e6, 1e9, 1, 100), due("poisson", 1e6, 1e9, 2, 100)
	assert.Equal(t, a, b)
	assert.NotEqual(t, a, c)
}

func TestValidateLoad(t *testing.T) {
	for _, x := range []struct {
		cfg  Config
		want string
	}{
		{Config{Rate: -1}, "rate = -1: must be 0.1 to 1G a second"},
		{Config{Rate: 0.01}, "rate = 0.01: must be 0.1 to 1G a second"},
		{Config{Rate: 2e9}, "rate = 2e+09: must be 0.1 to 1G a second"},
		{Config{Rate: math.NaN()}, "rate = NaN: must be 0.1 to 1G a second"},
		{Config{Rate: 1, Workload: BW}, "rate = 1: must be left out unless the workload is lat"},
		{Config{Rate: 1, CQ: CQRXE, Server: "h:1"}, "rate = 1: must be left out with a peer"},
		{Config{Rate: 1, CQ: CQRXE, Peer: "h:1"}, "rate = 1: must be left out with a peer"},
		{Config{Rate: 1, Arrival: "x"}, `arrival = "x": must be const, poisson or burst:N, with N of 1..1048576`},
		{Config{Rate: 1, MaxLag: 1}, "max-lag = 1ns: must be 1us to 1h"},
		{Config{Rate: 1, Outstanding: -1}, "outstanding = -1: must be 1..1048576"},
		{Config{Arrival: "const"}, "arrival = const: must be left out without rate"},
		{Config{MaxLag: time.Second}, "max-lag = 1s: must be left out without rate"},
		{Config{Outstanding: 5}, "outstanding = 5: must be left out with lat, unless rate is given"},
		{Config{Interval: time.Millisecond}, "interval = 1ms: must be 10ms to 1h"},
		{Config{Percentiles: []float64{50, 100}}, "percentiles = 100: must be numbers above 0 and below 100"},
		{Config{Percentiles: []float64{0}}, "percentiles = 0: must be numbers above 0 and below 100"},
		{Config{Percentiles: []float64{math.NaN()}}, "percentiles = NaN: must be numbers"},
		{Config{Percentiles: make([]float64, 21)}, "percentiles = 21 of them: must be at most 20"},
	} {
		err := x.cfg.Validate()
		assert.ErrorIs(t, err, engine.ErrInvalid, x.want)
		assert.ErrorContains(t, err, x.want)
	}
	for _, c := range []Config{{Rate: 0.1}, {Rate: 1e9, Arrival: "burst:9", MaxLag: time.Hour, Outstanding: 1}, {Percentiles: []float64{99.999, 1}}} {
		assert.NoError(t, c.Validate())
		assert.NoError(t, c.WithDefaults().Validate(), "what a report says can be run again")
	}
	assert.Equal(t, []float64{1, 50, 99}, Config{Percentiles: []float64{99, 1, 50, 99}}.WithDefaults().Percentiles)
}

// patient is a maximum lag that no host exceeds.
const patient = time.Hour

func TestOpenLoop(t *testing.T) {
	moreProcessors(t)
	everyMode(t, func(t *testing.T, cfg Config) {
		for _, x := range []Config{{}, {Service: "const:1us"}, {OneWay: true}, {Arrival: "burst:16"}} {
			cfg.Rate, cfg.Count, cfg.Warmup, cfg.MaxLag = 50e3, 400, Span{Count: 50}, patient
			cfg.Service, cfg.OneWay, cfg.Arrival = x.Service, x.OneWay, x.Arrival
			r := runTest(t, cfg, workloadFor(cfg))
			require.Empty(t, r.Conservation.Violations)
			require.Empty(t, r.Invalid)
			assert.EqualValues(t, 400, r.Results.Operations)
			assert.EqualValues(t, 450, r.Conservation.Accepted)
			l, p := r.Results.Latency, r.Results.Response
			assert.EqualValues(t, 400, l.Samples)
			assert.EqualValues(t, 400, p.Samples)
			assert.GreaterOrEqual(t, p.Mean, l.Mean, "the plan is before the request")
			assert.GreaterOrEqual(t, p.Max, l.Max)
			assert.Equal(t, *l, r.Histograms["service"].Summary())
			assert.Equal(t, *p, r.Histograms["response"].Summary())
			require.NotNil(t, r.Load)
			assert.Zero(t, r.Load.Dropped)
			assert.Positive(t, r.Load.LagMax)
			assert.LessOrEqual(t, r.Load.Achieved, r.Load.Offered*(1+1e-9))
			assert.Positive(t, r.Load.Achieved)
		}
	})
}

// The load is the seed's, and what was offered is its schedule's.
func TestOfferedLoadIsTheSchedules(t *testing.T) {
	offered := func(seed uint64, arrival string) float64 {
		r := runTest(t, Config{Rate: 100e3, Count: 1000, Warmup: Span{Off: true}, Seed: seed, Arrival: arrival, MaxLag: patient, Mode: "event"}, &mockOpen{})
		return r.Load.Offered
	}
	assert.Equal(t, offered(1, "poisson"), offered(1, "poisson"))
	assert.NotEqual(t, offered(1, "poisson"), offered(2, "poisson"))
	assert.InEpsilon(t, 100e3, offered(1, "poisson"), 4/math.Sqrt(1000))
	assert.InEpsilon(t, 100e3, offered(1, "const"), 1e-6)
}

// With a device that stalls once, in the middle of a run at a constant rate, everything
// that was planned meanwhile is late. With one request in flight only one service time
// shows it: the others were not made until it was over. The response times show it.
func TestStallIsNotOmitted(t *testing.T) {
	const n, stall = 600, 300 * time.Millisecond
	script := "script:"
	for i := range n {
		if i == n/4 {
			script += stall.String() + ","
			continue
		}
		script += "1us,"
	}
	cfg := Config{
		Rate: 1000, Arrival: "const", Count: n, Warmup: Span{Off: true}, Service: script[:len(script)-1],
		Outstanding: 1, MaxLag: patient, Mode: "event", Percentiles: []float64{50, 70, 98},
	}
	r := runTest(t, cfg, workloadFor(cfg))
	require.Empty(t, r.Conservation.Violations)
	service, response := r.Results.Latency, r.Results.Response
	assert.GreaterOrEqual(t, service.Max, int64(stall))
	assert.Less(t, *service.Percentiles[2].Nanos, int64(stall/2), "11 others took half as long as the one that stalled")
	// Half of all were planned while the device stalled, evenly: the 70th percentile is
	// that of one with 120 ms of the stall before it.
	assert.GreaterOrEqual(t, *response.Percentiles[1].Nanos, int64(stall/3))
	assert.GreaterOrEqual(t, *response.Percentiles[2].Nanos, int64(stall*9/10))
	assert.GreaterOrEqual(t, r.Load.LagMax, int64(stall*9/10), "the generator could not keep up, and says so")

	// With as many in flight as there are, the generator goes on, and both show it.
	cfg.Outstanding = 0
	r = runTest(t, cfg, workloadFor(cfg))
	require.Empty(t, r.Conservation.Violations)
	assert.GreaterOrEqual(t, *r.Results.Response.Percentiles[1].Nanos, int64(stall/3))
	assert.GreaterOrEqual(t, *r.Results.Latency.Percentiles[1].Nanos, int64(stall/4))
}

// A rate that cannot be reached is an invalid run, which ends in time.
func TestLoadThatCannotBeMade(t *testing.T) {
	cfg := Config{Rate: 1e9, Duration: 20 * time.Millisecond, Warmup: Span{Off: true}, MaxLag: time.Millisecond, Mode: "event"}
	r := runTest(t, cfg, workloadFor(cfg))
	require.Empty(t, r.Conservation.Violations)
	assert.False(t, r.OK())
	require.Len(t, r.Invalid, 1)
	assert.Regexp(t, `^the generator was up to .*ms late, and max-lag is 1ms: offered \d+/s, achieved \d+/s; about \d+ requests were never made`, r.Invalid[0])
	assert.InEpsilon(t, 1e9, r.Load.Offered, 0.02)
	assert.Less(t, r.Load.Achieved, r.Load.Offered/2)
	assert.InEpsilon(t, 20e6, float64(r.Load.Dropped)+r.Load.Achieved*0.02, 0.2)
	assert.Greater(t, r.Load.LagMax, int64(time.Millisecond))

	// So late that the measurement did not even begin.
	cfg.Warmup = Span{Time: 20 * time.Millisecond}
	r = runTest(t, cfg, workloadFor(cfg))
	require.Len(t, r.Invalid, 1)
	assert.Zero(t, r.Results.Operations)
	assert.Positive(t, r.Load.Achieved, "as far as it came")
}

// Between two requests that are far apart nothing is lost; a request that never
// completes is.
func TestQuietIsNoStall(t *testing.T) {
	cfg := Config{Rate: 4, Arrival: "const", Count: 2, Warmup: Span{Off: true}, Stall: 100 * time.Millisecond, Mode: "event", MaxLag: patient}
	r := runTest(t, cfg, workloadFor(cfg))
	assert.Empty(t, r.Conservation.Violations)
	assert.EqualValues(t, 2, r.Results.Operations)
	cfg.Service = "const:1h"
	r = runTest(t, cfg, workloadFor(cfg))
	require.NotEmpty(t, r.Conservation.Violations)
	assert.Equal(t, "no event came for 100ms: what is in flight is lost", r.Conservation.Violations[0])
}

func TestInterruptOpenLoop(t *testing.T) {
	for _, cfg := range []Config{{Rate: 20e3}, {Rate: 0.5}, {Rate: 1e6, Service: "const:1ms", Outstanding: 2}} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		cfg.Duration, cfg.MaxLag, cfg.Warmup, cfg.Mode = time.Hour, patient, Span{Off: true}, "event"
		time.AfterFunc(30*time.Millisecond, cancel)
		r, err := run(ctx, cfg.WithDefaults(), workloadFor(cfg), testClock(), Watch{})
		require.NoError(t, err)
		assert.True(t, r.Interrupted)
		assert.Empty(t, r.Conservation.Violations, "what was in flight came home")
		assert.NotNil(t, r.Load)
	}
}

func TestRecordingCostIsReported(t *testing.T) {
	for _, cfg := range []Config{{Count: 100, Mode: "event"}, {Count: 100, Mode: "event", Rate: 1e5, MaxLag: patient}} {
		r := runTest(t, cfg, workloadFor(cfg))
		require.NotNil(t, r.Recording)
		assert.Positive(t, r.Recording.Clock)
		assert.Positive(t, r.Recording.Record)
	}
	r := runTest(t, Config{Workload: BW, Count: 100}, &throughput{dev: &mockDevice{}})
	assert.Nil(t, r.Recording, "it records no latencies")
}

// A request that the run's end found waiting for room was late all the same.
func TestInterruptedWaitIsLag(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := Config{
		Rate: 1000, Arrival: "const", Service: "const:100ms", Outstanding: 1, Duration: time.Hour,
		Warmup: Span{Off: true}, MaxLag: 10 * time.Millisecond, Mode: "event",
	}
	time.AfterFunc(40*time.Millisecond, cancel)
	r, err := run(ctx, cfg.WithDefaults(), workloadFor(cfg), testClock(), Watch{})
	require.NoError(t, err)
	assert.Greater(t, r.Load.LagMax, int64(cfg.MaxLag))
	assert.NotEmpty(t, r.Invalid)
}

// What was achieved in a warm-up that did not end is by the time it took.
func TestInterruptedWarmUp(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cfg := Config{Rate: 1, Arrival: "const", Duration: time.Hour, Warmup: Span{Time: time.Hour}, Mode: "event"}
	time.AfterFunc(20*time.Millisecond, cancel)
	r, err := run(ctx, cfg.WithDefaults(), workloadFor(cfg), testClock(), Watch{})
	require.NoError(t, err)
	assert.LessOrEqual(t, r.Load.Achieved, 1/0.020)
}

// Where requests come out of order one that overtakes others makes no room for the slot
// of one that it has overtaken.
func TestOvertakingMakesNoRoom(t *testing.T) {
	s := &session{clk: testClock()}
	s.con = s.newUnit().con
	s.con.Checker = NewChecker(1)
	l := &mockOpen{s: s, gen: &generator{s: s, slots: make([]slot, 2), mask: 1}, unordered: true}
	come := func(n uint64) uint64 {
		l.came(byUpcall, []engine.Event{{WRID: n, Stream: engine.DTO}})
		return l.home.Load()
	}
	assert.EqualValues(t, 0, come(1))
	assert.EqualValues(t, 2, come(0))
	assert.EqualValues(t, 3, come(2))
	assert.EqualValues(t, 3, come(5))
	assert.EqualValues(t, 3, come(4))
	assert.EqualValues(t, 6, come(3))
}
