package compare

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/stats"
	"github.com/evdengine/evd/bench/turns"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMain makes this program a child that takes turns, if it is asked to.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == "child" {
		child(os.Args[2])
		return
	}
	os.Exit(m.Run())
}

// child answers at once, with figures that are made up: how much slower it is than
// another, with 1 % of noise. p99 takes turns of 50 ms. "lags" lags.
func child(role string) {
	slower, err := strconv.ParseFloat(role, 64)
	out := json.NewEncoder(os.Stdout)
	_ = out.Encode(turns.Hello{Protocol: turns.Protocol, Version: "v1", Config: bench.Config{Workload: bench.BW, Mode: role}})
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		if err != nil {
			_ = out.Encode(turns.Reply{Invalid: []string{"the generator lagged"}})
			continue
		}
		var o turns.Order
		_ = json.Unmarshal(s.Bytes(), &o)
		p99 := math.NaN()
		if o.Measure >= 50*time.Millisecond {
			p99 = 2000
		}
		_ = out.Encode(turns.Reply{Metrics: []stats.Metric{
			{Name: "rate", Unit: stats.PerSecond, Better: stats.Higher, Value: 1e6 / slower * math.Exp(0.01*rand.NormFloat64())},
			{Name: "svc.p99", Unit: stats.Nanos, Better: stats.Lower, Value: p99, Needs: 1000},
			{Name: "svc.max", Unit: stats.Nanos, Better: stats.Lower, Value: math.NaN(), Needs: 1 << 40},
			{Name: "gcs", Unit: stats.Number, Better: stats.Lower, Value: 0},
		}})
	}
}

func arms(t *testing.T, roles ...string) []turns.Arm {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	var all []turns.Arm
	for i, r := range roles {
		all = append(all, turns.Arm{Name: string(rune('A' + i)), Path: self, Args: []string{"child", r}})
	}
	return all
}

func TestInterleaved(t *testing.T) {
	for _, x := range []struct {
		b    string
		want stats.Verdict
	}{{"1", stats.Same}, {"1.06", stats.Worse}, {"0.94", stats.BetterBy}} {
		var told []Progress
		r, err := Interleaved(t.Context(), arms(t, "1", x.b), Options{Rounds: 3, Told: func(p Progress) { told = append(told, p) }})
		require.NoError(t, err)
		assert.Equal(t, x.want, r.Verdict(), x.b)
		c := r.Interleaved
		assert.Equal(t, Decided, c.Ended)
		assert.Equal(t, c.Plan.Looks[0], c.Blocks, "the first look does")
		assert.Len(t, told, c.Blocks)
		assert.Len(t, told[c.Blocks-1].Looked, 1)
		assert.Equal(t, c.Blocks*3*4, c.Turns)
		assert.Equal(t, "rate", r.Primary)
		assert.Len(t, c.Values, c.Blocks)
		assert.Equal(t, "v1", r.Sides[1].Version)
		if x.b != "1" {
			assert.Equal(t, []string{"mode: 1 -> " + x.b}, r.Differences)
		}

		var b bytes.Buffer
		require.NoError(t, r.JSON(&b))
		var back Result
		require.NoError(t, json.Unmarshal(b.Bytes(), &back))
		assert.Equal(t, r.Verdict(), back.Verdict())
		assert.Equal(t, Schema, back.Schema)
	}
}

// The worst of several is the verdict, and it goes on until all have one.
func TestSeveral(t *testing.T) {
	r, err := Interleaved(t.Context(), arms(t, "1", "1", "2", "0.5"), Options{Rounds: 2})
	require.NoError(t, err)
	require.Len(t, r.Comparisons, 3)
	assert.Equal(t, stats.Worse, r.Verdict())
	for i, want := range []stats.Verdict{stats.Same, stats.Worse, stats.BetterBy} {
		j, ok := r.Comparisons[i].Judgement("rate")
		assert.True(t, ok)
		assert.Equal(t, want, j.Verdict)
	}
}

// A percentile that has no figure yet makes the turns longer.
func TestLongerTurns(t *testing.T) {
	r, err := Interleaved(t.Context(), arms(t, "1", "1"), Options{Metric: "p99", Turn: 20 * time.Millisecond, Rounds: 1})
	require.NoError(t, err)
	assert.Equal(t, 80*time.Millisecond, r.Interleaved.Turn)
	assert.Equal(t, "svc.p99", r.Primary)
	assert.Equal(t, stats.Same, r.Verdict())
	_, err = Interleaved(t.Context(), arms(t, "1", "1"), Options{Metric: "max", Rounds: 1})
	assert.ErrorContains(t, err, "turn = 25ms: must be longer: svc.max needs 1099511627776 samples in each")
	_, err = Interleaved(t.Context(), arms(t, "1", "1"), Options{Metric: "resp.p99", Rounds: 1})
	assert.ErrorContains(t, err, "metric = resp.p99: must be one that both sides measure here: rate, svc.p99, svc.max, gcs")
}

func TestEnds(t *testing.T) {
	r, err := Interleaved(t.Context(), arms(t, "1", "1"), Options{Rounds: 1, MaxTime: 1})
	require.NoError(t, err)
	assert.Equal(t, OutOfTime, r.Interleaved.Ended)
	assert.Equal(t, 1, r.Interleaved.Blocks)
	assert.Equal(t, stats.Inconclusive, r.Verdict())

	r, err = Interleaved(t.Context(), arms(t, "1", "1"), Options{Rounds: 1, MaxReps: 8, Effect: 1e-6})
	require.NoError(t, err)
	assert.Equal(t, OutOfReps, r.Interleaved.Ended)
	assert.Equal(t, stats.Inconclusive, r.Verdict())

	ctx, cancel := context.WithCancel(t.Context())
	r, err = Interleaved(ctx, arms(t, "1", "1"), Options{Rounds: 1, Told: func(p Progress) {
		if p.Blocks == 2 {
			cancel()
		}
	}})
	assert.ErrorIs(t, err, context.Canceled)
	require.NotNil(t, r)
	assert.Equal(t, Interrupted, r.Interleaved.Ended)
	assert.Equal(t, 2, r.Interleaved.Blocks)

	r, err = Interleaved(ctx, arms(t, "1", "1"), Options{})
	assert.ErrorIs(t, err, context.Canceled)
	assert.Nil(t, r)
}

// Turns whose generator lagged are left out; where there are too many there is nothing
// to compare.
func TestInvalidTurns(t *testing.T) {
	_, err := Interleaved(t.Context(), arms(t, "1", "lags"), Options{Rounds: 2})
	require.Error(t, err)
	assert.ErrorIs(t, err, ErrInvalid)
	assert.Contains(t, err.Error(), "the generator lagged")

	_, err = Interleaved(t.Context(), arms(t, "lags", "lags"), Options{Rounds: 2})
	assert.ErrorIs(t, err, ErrInvalid, "not a metric that is not there")
	assert.ErrorContains(t, err, "the generator lagged")
}

func TestOptions(t *testing.T) {
	assert.NoError(t, Options{}.Validate())
	for want, o := range map[string]Options{
		"metric = x: must be a metric: rate":                      {Metric: "x"},
		"effect = -1 %: must be more than 0":                      {Effect: -0.01},
		"confidence = 100 %: must be 50 to 99.99 %":               {Confidence: 1},
		"max-reps = 5: must be 8 or more for an interval of 99 %": {MaxReps: 5},
		"max-reps = 5: must be 6 or more for an interval of 95 %": {MaxReps: 5, Confidence: 0.95},
		"max-reps = 2000: must be at most 1000":                   {MaxReps: 2000},
		"rounds = 2000: must be 1..1000":                          {Rounds: 2000},
		"turn = 1µs: must be 1ms to 1h":                           {Turn: time.Microsecond},
		"turn-warmup = 2h0m0s: must be at most 1h":                {Warmup: 2 * time.Hour},
	} {
		assert.ErrorContains(t, o.Validate(), want)
	}
	_, err := Interleaved(t.Context(), nil, Options{MaxReps: 2})
	assert.Error(t, err)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(got), 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
	for _, l := range strings.Split(got, "\n") {
		assert.LessOrEqual(t, len([]rune(l)), columns, l)
	}
}

// invented is a comparison with round figures.
func invented() *Result {
	judge := func(metric string, a, b, d, w, p, floor float64, v stats.Verdict) stats.Judgement {
		return stats.Judgement{
			Metric: metric, Unit: stats.Unit(metric), Better: stats.Direction(metric), A: a, B: b, N: 14,
			Delta: stats.Interval{Center: d, Lo: d - w, Hi: d + w}, P: p, Floor: floor, Effect: stats.Effect(metric, 0), Verdict: v,
		}
	}
	env := bench.Env{CPU: "AMD EPYC", CPUs: 2, OS: "linux", Kernel: "6.18.44", Go: "go1.26.8"}
	return &Result{
		Schema: Schema, Command: bench.Lat, Primary: "svc.p99", Confidence: 0.99, Interval: 0.9983,
		Sides: []Side{
			{Name: "A", Source: "./old", Args: []string{"lat", "--mode", "spin"}, Version: "4f1c2a9", Env: env},
			{Name: "B", Source: "./new", Args: []string{"lat", "--mode", "spin"}, Version: "91be003", Env: env},
		},
		Comparisons: []Comparison{{Side: "B", Judgements: []stats.Judgement{
			judge("rate", 44430709, 43986402, -0.01, 0.012, 0.08, 0.011, stats.Same),
			judge("svc.p50", 2104, 2098, -0.003, 0.006, 0.31, 0.009, stats.Same),
			judge("svc.p90", 2104, 2098, -0.003, 0.006, 0.31, 0.009, stats.Same),
			judge("svc.p99", 104032, 93612, -0.104, 0.017, 0, 0.021, stats.BetterBy),
			judge("svc.p99.9", 11136, 24900, 1.236, 0.4, 0.0004, 0.35, stats.Worse),
			judge("cpu", 61, 74, 0.213, 0.05, 0, 0.03, stats.Worse),
			judge("ev/upcall", 1, 1, 0, 0, 1, 0, stats.Inconclusive),
			{Metric: "wakeups/wc", Better: stats.Lower, Delta: stats.Interval{Center: math.NaN(), Lo: math.Inf(-1), Hi: math.Inf(1)}, Floor: math.NaN(), P: 1, Verdict: stats.Same},
		}}},
		Differences: []string{"spin: 20µs -> 50µs"},
		Warnings:    []string{"3 of 336 turns were invalid and are not used: the generator was up to 12 ms late"},
		Interleaved: &Course{Blocks: 14, Rounds: 6, Turn: 25 * time.Millisecond, Elapsed: 14321 * time.Millisecond},
	}
}

func TestText(t *testing.T) {
	r := invented()
	limits, err := ParseLimits([]string{"cpu=+10%", "rate=-3%"})
	require.NoError(t, err)
	r.Limit(limits)
	var b strings.Builder
	require.NoError(t, r.Text(&b, false))
	golden(t, "compare.txt", b.String())

	b.Reset()
	r.Primary, r.Limits = "wakeups/wc", nil
	require.NoError(t, r.Text(&b, true))
	golden(t, "all.txt", b.String())
	assert.Equal(t, "svc.p50 -0.3 % [-0.9, +0.3], floor 0.9 %: same", Brief(r.Comparisons[0].Judgements[1:2]))
	assert.Error(t, r.Text(failing{}, false))
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("no space") }

func TestLimits(t *testing.T) {
	r := invented()
	for _, x := range []struct {
		limit    string
		exceeded bool
		says     string
	}{
		{"cpu=+10%", true, "cpu +21.3 % (limit +10 %)"},
		{"cpu=10", true, "cpu +21.3 % (limit +10 %)"},
		{"cpu=+25%", false, ""},
		{"p99=+1%", false, ""},    // it got better
		{"rate=-0.5%", false, ""}, // not beyond chance
		{"wakeups/wc=+1%", false, ""},
		{"resp.p50=+1%", true, "resp.p50 not measured (limit +1 %)"},
	} {
		l, err := ParseLimits([]string{x.limit})
		require.NoError(t, err, x.limit)
		r.Limits = nil
		r.Limit(l)
		require.Len(t, r.Limits, 1)
		assert.Equal(t, x.exceeded, r.Limits[0].Exceeded, x.limit)
		if x.exceeded {
			assert.Equal(t, []string{x.says}, r.Exceeded())
		}
	}
	for limit, says := range map[string]string{
		"cpu": "must be METRIC=+PERCENT", "cpu=": "must be METRIC=+PERCENT", "cpu=x": "must be METRIC=+PERCENT", "cpu=0%": "must be METRIC=+PERCENT",
		"cpu=-10%": "must have the other sign: of cpu lower is better", "rate=+3%": "must have the other sign", "foo=+1%": "must be a metric",
	} {
		_, err := ParseLimits([]string{limit})
		assert.ErrorContains(t, err, says, limit)
	}
}
