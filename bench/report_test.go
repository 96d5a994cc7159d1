package bench

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	// A checkout may have turned the ends of lines.
	assert.Equal(t, strings.ReplaceAll(string(want), "\r\n", "\n"), string(got))
}

// sample is a report with made-up figures.
func sample(workload string) *Report {
	cfg := Config{Workload: workload, Mode: "event"}.WithDefaults()
	r := &Report{
		Config: cfg, Measures: "this and that",
		Env: Env{
			Version: "v1.2.3", Go: "go1.26.0", OS: "linux", Arch: "amd64", Kernel: "6.12", CPU: "A CPU",
			CPUs: 4, GOMAXPROCS: 4, Clock: ClockEnv{Source: SourceTSC, Hertz: 2.5e9, Cost: 9, Drift: -0.3},
		},
		Results: Results{
			Operations: 12000, Elapsed: int64(2 * time.Second), Rate: 6000, PerOp: 166666.7,
			EventsPerUpcall: 1.5, CPU: 42.4, Mallocs: 1234, GCs: 1,
		},
		Conservation: Conservation{
			Attempted: 12010, Accepted: 12001, Rejected: 9, Delivered: 12000, Dequeued: 1,
			Producers: []ProducerBalance{
				{"work requests", 8000, 8000, 0, Order{Seen: 8000}},
				{"poster 0", 4010, 4001, 9, Order{Seen: 4001}},
			},
			Violations: []string{},
		},
		Invalid:  []string{},
		Engine:   engine.Stats{Upcalls: 8000, Arms: 7000, Events: 6999, Spurious: 3, Direct: 12, HandOvers: 4},
		CQ:       CQCounts{Polls: 9000, EmptyPolls: 5000, Completions: 8000, Stalls: 2},
		Warnings: []string{},
	}
	if workload == Lat {
		h := NewHist()
		for i := range int64(12000) {
			h.Record(1000 + i)
		}
		s := h.Summary()
		r.Results.Latency = &s
	}
	return r
}

func TestText(t *testing.T) {
	broken := sample(BW)
	broken.Interrupted = true
	broken.Warnings = []string{"beware"}
	broken.Env.Clock = ClockEnv{Source: SourceMonotonic, Why: "the CPU has no invariant TSC", Cost: 60, Hertz: 1e9}
	broken.Conservation.Violations = []string{"one thing", "and another"}
	broken.Conservation.Flushed = 17
	empty := sample(Lat)
	*empty.Results.Latency = NewHist().Summary()
	adaptive := sample(Lat)
	adaptive.Config.Mode, adaptive.SpinBudget = "adaptive", 12500*time.Nanosecond
	adaptive.Engine.Grown, adaptive.Engine.Shrunk = 3, 5
	for name, r := range map[string]*Report{
		"lat.txt": sample(Lat), "adaptive.txt": adaptive, "bw.txt": sample(BW), "broken.txt": broken, "empty.txt": empty,
	} {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			require.NoError(t, r.Text(&b))
			golden(t, name, b.Bytes())
		})
	}
}

// A real run's report can be written and read back.
func TestRealReport(t *testing.T) {
	r := runTest(t, Config{Count: 200, Mode: "event"}, &mockPingPong{})
	var b bytes.Buffer
	require.NoError(t, json.NewEncoder(&b).Encode(r))
	var back Report
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&back))
	assert.Equal(t, r, &back)
	require.NoError(t, r.Text(&b))
	assert.Contains(t, b.String(), "conservation  attempted ")
	assert.Contains(t, b.String(), ": OK, all in order, engine counters agree\n")
}

// The head of the text has every setting that is not at its default.
func TestTextSaysTheSettings(t *testing.T) {
	for _, x := range []struct {
		cfg  Config
		want string
	}{
		{Config{Workload: BW, Flip: 7, Posters: 2, Outstanding: 9, Seed: 3, Service: "exp:2us"}, " outstanding=9 posters=2 flip=7 service=exp:2us seed=3"},
		{Config{OneWay: true}, " oneway=true service=none seed=0"},
		{Config{CQ: CQRXE, Dev: "rxe7", Size: 128}, " size=128 dev=rxe7"},
		{Config{CQ: CQRXE, Peer: "h:1"}, " size=64 peer=h:1"},
		{Config{CQ: CQRXE, PeerListen: ":1"}, " size=64 peer-listen=:1"},
	} {
		c := x.cfg.WithDefaults()
		assert.Equal(t, x.want, c.load())
	}
	for _, x := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "spin=auto duration=2s warmup=100ms"},
		{Config{Spin: 5 * time.Microsecond, Count: 7, Warmup: Span{Count: 1}}, "spin=5µs count=7 warmup=1"},
		{Config{Mode: "spin", Count: 7, Duration: time.Second, Warmup: Span{Off: true}}, "duration=1s count=7 warmup=0"},
	} {
		c := x.cfg.WithDefaults()
		assert.Equal(t, x.want, c.limits())
	}
}

func TestGroup(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1 000", 1234567: "1 234 567", -1000: "-1 000"} {
		assert.Equal(t, want, group(n))
	}
}

func TestWarnings(t *testing.T) {
	r := sample(Lat)
	r.warn()
	assert.Empty(t, r.Warnings)
	r.Env.Clock.Drift, r.Env.Clock.Cost, r.Results.Latency.Clamped = -201, 10000, 3
	r.warn()
	assert.Equal(t, []string{
		"the TSC was off by -201 ppm against CLOCK_MONOTONIC over the run: times are as much off",
		"3 latencies outside 0..60 s count as 0 or 60 s in the percentiles",
		"two readings of the clock, 10000 ns each, are a large part of the median",
	}, r.Warnings)
}

func TestEnvironment(t *testing.T) {
	e := Environment(MonotonicClock())
	assert.NotEmpty(t, e.Version)
	assert.NotEmpty(t, e.Kernel)
	assert.NotEmpty(t, e.CPU)
	assert.Positive(t, e.CPUs)
	assert.Positive(t, e.GOMAXPROCS)
}
