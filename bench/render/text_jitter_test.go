package render

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
)

func TestJitterText(t *testing.T) {
	v := func(n int64) *int64 { return &n }
	late := bench.Summary{
		Samples: 100_005, Max: 240_041, Mean: 473.4,
		Percentiles: []bench.Percentile{{P: 50, Nanos: v(4)}, {P: 99.9, Nanos: v(77_311)}, {P: 99.999}},
	}
	r := &bench.Report{
		Measures: "how late", Interrupted: true, Warnings: []string{"something"},
		Config: bench.Config{Workload: bench.Jitter, Duration: time.Second},
		Env: bench.Env{
			CPU: "X", CPUs: 2, GOMAXPROCS: 2, OS: "linux", Kernel: "6", Arch: "amd64", Go: "go1",
			Clock: bench.ClockEnv{Source: bench.SourceTSC, Hertz: 2e9, Cost: 9},
		},
		Jitter: &bench.Jitters{Period: 5 * time.Microsecond, Sleep: 100 * time.Microsecond, Parts: []bench.JitterPart{
			{Name: "cpu3", Late: late, Gaps: 445, Lost: 18_600_000, Longest: 241_849, Elapsed: 1e9},
			{Name: "sleep", Late: late, Elapsed: 1e9},
		}},
	}
	var b strings.Builder
	require.NoError(t, Report(&b, r))
	assert.Equal(t, `evdbench      jitter  duration=1s period=5µs sleep=100µs
host          X, 2 CPUs, GOMAXPROCS 2, linux 6 amd64, go1
clock         tsc 2.000 GHz, 9 ns a reading, +0.0 ppm against CLOCK_MONOTONIC
measures      how late

  late (ns)  min  p50   p99.9  p99.999      max  mean  samples
       cpu3    0    4  77 311      n/a  240 041   473  100 005
      sleep    0    4  77 311      n/a  240 041   473  100 005
              n/a: too few samples lie above it

gaps cpu3     445 above 1us (445 a second), 1.86 % of the time; the longest 242µs
warning       something
partial       interrupted: what is above is what there was until then
`, b.String())
	r.Jitter, r.Env.Floor, r.Config.Pin = nil, &bench.Floor{P999: 18_123, Max: 1_234_567, Took: 55_000_123}, "poller=1"
	b.Reset()
	require.NoError(t, Report(&b, r))
	assert.Contains(t, b.String(), "\njitter        a goroutine that only spins is late by p99.9 18.12µs, max 1.235ms (for 55ms before the run)\n")
	assert.Contains(t, b.String(), " pin=poller=1")
}
