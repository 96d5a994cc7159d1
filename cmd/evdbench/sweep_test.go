package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/sweep"
)

func swept(t *testing.T, out string) *result.File {
	t.Helper()
	f, err := result.Read(strings.NewReader(out))
	require.NoError(t, err)
	return f
}

func TestSweep(t *testing.T) {
	status, out, errs := evdbench(t.Context(), "sweep", "bw", "--mode", "event,spin", "--outstanding", "1..4*4", "--vary", "batch=1;2",
		"--count", "500", "--warmup", "0", "--reps", "2", "-o", "json")
	require.Zero(t, status, errs)
	f := swept(t, out)
	assert.Equal(t, "sweep", f.Command)
	assert.True(t, f.OK())
	require.Len(t, f.Cells, 8)
	assert.Equal(t, map[string]string{"mode": "event", "outstanding": "1", "batch": "1", "count": "500", "warmup": "0", "reps": "2"}, f.Cells[0].Settings)
	for _, c := range f.Cells {
		require.Len(t, c.Reps, 2)
		assert.Equal(t, c.Settings["mode"], c.Reps[0].Config.Mode)
		assert.EqualValues(t, 500, c.Reps[1].Results.Operations)
	}
	assert.Contains(t, errs, "cell 8 of 8: bw mode=spin outstanding=4")

	status, out, errs = evdbench(t.Context(), "sweep", "lat", "--mode", "event", "--batch", "1,2", "--count", "100", "--order", "random:5", "-q")
	require.Zero(t, status, errs)
	assert.Empty(t, errs)
	assert.Contains(t, out, "sweep of 2 cells")
}

// What makes no sense in a matrix is marked; if nothing makes sense that is an error.
func TestSweepMarksWhatCannotBeRun(t *testing.T) {
	status, out, errs := evdbench(t.Context(), "sweep", "lat", "--mode", "adaptive,event", "--spin", "5us", "--count", "50", "-o", "json")
	require.Zero(t, status, errs)
	f := swept(t, out)
	require.Len(t, f.Cells, 2)
	assert.Len(t, f.Cells[0].Reps, 1)
	assert.Empty(t, f.Cells[1].Reps)
	assert.False(t, f.Cells[1].OK())
	assert.Contains(t, strings.Join(f.Cells[1].Warnings, ""), "--spin = 5µs: must be left out unless mode is adaptive")
	assert.Contains(t, errs, "--spin = 5µs")

	status, out, errs = evdbench(t.Context(), "sweep", "lat", "--mode", "spin,event", "--spin", "5us")
	assert.Equal(t, exitUsage, status)
	assert.Empty(t, out)
	assert.Contains(t, errs, "no cell could be measured")
}

// A run that is invalid does not end the sweep, and is the exit status.
func TestSweepGoesOnAfterAnInvalidCell(t *testing.T) {
	status, out, errs := evdbench(t.Context(), "sweep", "lat", "--vary", "service=const:1h;none", "--mode", "event", "--stall", "100ms", "--count", "50", "-o", "json")
	assert.Equal(t, exitInvalid, status, errs)
	f := swept(t, out)
	require.Len(t, f.Cells, 2)
	assert.False(t, f.Cells[0].OK())
	assert.True(t, f.Cells[1].OK())
}

func TestSweepInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	time.AfterFunc(100*time.Millisecond, cancel)
	status, out, _ := evdbench(ctx, "sweep", "lat", "--mode", "event", "--batch", "1,2,3", "--duration", "1h", "-o", "json")
	assert.Equal(t, exitInterrupted, status)
	f := swept(t, out)
	require.Len(t, f.Cells, 1, "the rest was not begun")
	assert.True(t, f.Cells[0].Reps[0].Interrupted)
}

func TestSweepFind(t *testing.T) {
	args := strings.Fields("sweep lat --mode event,spin --duration 20ms --warmup 0 --max-lag 1m --from 50k --to 100k -q -o json --find")
	status, out, errs := evdbench(t.Context(), append(args, "max rate where resp.max<60s and cpu>=0")...)
	require.Zero(t, status, errs)
	f := swept(t, out)
	require.Len(t, f.Cells, 2)
	for _, c := range f.Cells {
		assert.Contains(t, c.Tags["found"], "100.0k/s, the highest tried", "nothing is so slow")
		assert.Equal(t, 100e3, c.Reps[0].Config.Rate)
	}
	status, out, errs = evdbench(t.Context(), append(args, "rate where resp.max<0", "--from", "20k", "--mode", "event")...)
	require.Zero(t, status, errs)
	assert.Contains(t, swept(t, out).Cells[0].Tags["found"], "no rate, ")

	status, _, errs = evdbench(t.Context(), append(args, "rate where resp.p99.99<1s", "--mode", "event")...)
	require.Zero(t, status, errs)
}

func TestGoal(t *testing.T) {
	g, err := parseGoal("rate where resp.p99<20us and rate>5k")
	require.NoError(t, err)
	require.Len(t, g, 2)
	report := func(rate float64, p99 int64) *result.File {
		return &result.File{Reps: []*bench.Report{{Results: bench.Results{
			Operations: 1, Rate: rate, Response: &bench.Summary{Samples: 9999, Percentiles: []bench.Percentile{{P: 99, Nanos: &p99}}},
		}}}}
	}
	for _, x := range []struct {
		rate float64
		p99  int64
		kept bool
	}{{6000, 19_999, true}, {6000, 20_000, false}, {5000, 1, false}} {
		kept, why, err := g.judge(report(x.rate, x.p99))
		require.NoError(t, err)
		assert.Equal(t, x.kept, kept, why)
	}
	invalid := report(6000, 1)
	invalid.Reps[0].Invalid = []string{"late"}
	kept, why, err := g.judge(invalid)
	require.NoError(t, err)
	assert.False(t, kept)
	assert.Equal(t, "invalid: late", why)
	_, _, err = g.judge(&result.File{Warnings: []string{"refused"}})
	require.ErrorIs(t, err, errCell)
	assert.Equal(t, "refused", err.Error())
	few := report(6000, 1)
	few.Reps[0].Results.Response.Percentiles[0] = bench.Percentile{P: 99, Needs: 1000}
	_, _, err = g.judge(few)
	assert.ErrorContains(t, err, "it needs 1000 samples: a longer --duration helps")
}

func TestDescribeFound(t *testing.T) {
	two := []sweep.Probe{{}, {}}
	for want, f := range map[string]sweep.Found{
		"2 000/s; 2 100/s is too much: slow; 2 runs":                      {Kept: 2000, Failed: 2100, Why: "slow", Probes: two, Done: true},
		"2 000/s, the highest tried; 2 runs":                              {Kept: 2000, Probes: two, Done: true},
		"no rate, 1/s is too much: slow; 2 runs":                          {Failed: 1, Why: "slow", Probes: two, Done: true},
		"nothing (the search was ended early)":                            {},
		"2 000/s, the highest tried; 2 runs (the search was ended early)": {Kept: 2000, Probes: two},
	} {
		assert.Equal(t, want, describe(f))
	}
}

func TestSweepUsage(t *testing.T) {
	for args, want := range map[string]string{
		"sweep":                                      "which command?",
		"sweep lat --nonsense 1":                     "unknown flag: --nonsense",
		"sweep lat --mode spin,x":                    `--mode = "spin,x": "x": must be spin, event or adaptive`,
		"sweep lat --mode x":                         `--mode = "x": must be spin, event or adaptive`,
		"sweep lat --batch 4..1":                     `--batch = "4..1": must be a whole number`,
		"sweep lat --vary x":                         `--vary = "x": must be NAME=LIST`,
		"sweep lat --vary x=1":                       `--vary = "x": must name a flag of lat`,
		"sweep lat --vary mode=spin,x":               `--vary mode = "x": must be spin`,
		"sweep lat --order x":                        `--order = "x": must be given or random:SEED`,
		"sweep lat --order random:x":                 `--order = "random:x": must be given or random:SEED`,
		"sweep lat --batch 1..200 --capacity 1..200": "1..10000 cells can be run",
		"sweep lat --find x":                         "must be 'rate where CONDITION'",
	} {
		status, out, errs := evdbench(t.Context(), strings.Fields(args)...)
		assert.Equal(t, exitUsage, status, args)
		assert.Empty(t, out)
		assert.Contains(t, errs, want, args)
	}
	status, _, errs := evdbench(t.Context(), "sweep", "lat", "--rate", "5k", "--find", "rate where p99<1s")
	assert.Equal(t, exitUsage, status)
	assert.Contains(t, errs, "--rate = 5k: must be left out with --find")
}

func TestScenarioFlags(t *testing.T) {
	for args, want := range map[string]string{
		"lat --engine x":             `--engine = "x": must be evd, spinlock-flag, mutex or channel`,
		"lat --policy x":             `--policy = "x": must be single, many, many:N`,
		"lat --handler x":            `--handler = "x": must be noop or work:T`,
		"lat --error-rate 2":         `--error-rate = "2": must be a number above 0 and at most 1`,
		"lat --error-rate x":         `--error-rate = "x": must be a number above 0 and at most 1`,
		"lat --faults overrun=1":     `--faults = "overrun=1": must be left out with lat`,
		"lat --faults=":              `--faults = "": must be a script, or left out`,
		"lat --evds 2":               "unknown flag: --evds",
		"bw --evds 0":                `--evds = "0": must be a whole number`,
		"bw --cqs 65":                `--cqs = 65: must be 1..64`,
		"bw --engine mutex --flip 2": `--flip = 2: must be left out with engine mutex`,
	} {
		status, _, errs := evdbench(t.Context(), strings.Fields(args)...)
		assert.Equal(t, exitUsage, status, args)
		assert.Contains(t, errs, want, args)
	}
	status, out, errs := evdbench(t.Context(), "bw", "--count", "2k", "--mode", "event", "--policy", "drain", "--faults", "error=100+5", "--handler", "work:100ns", "-q")
	require.Zero(t, status, errs)
	assert.Contains(t, out, "faults        error=100+5: 1 passed, 0 failed")
}
