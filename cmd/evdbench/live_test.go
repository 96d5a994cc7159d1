package main

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
)

func TestRateValue(t *testing.T) {
	for s, want := range map[string]float64{
		"200k": 200e3, "1M": 1e6, "1.5k": 1500, "2M/s": 2e6, "20000/s": 20000, "0.5": 0.5, "1G": 1e9, "1e3": 1000,
	} {
		var v float64
		require.NoError(t, rate{&v}.Set(s), s)
		assert.Equal(t, want, v, s)
		var again float64
		require.NoError(t, rate{&again}.Set(rate{&v}.String()))
		assert.Equal(t, v, again, "what is printed can be given")
	}
	for _, s := range []string{"", "0", "-1", "x", "1K", "1 k", "k", "/s", "1/min", "NaN", "Inf", "1e999", "1e300G", "5k/m"} {
		v := 7.0
		require.Error(t, rate{&v}.Set(s), s)
		assert.Equal(t, 7.0, v, s)
	}
}

func TestPercentilesValue(t *testing.T) {
	var v []float64
	require.NoError(t, percentiles{&v}.Set("50, 99,99.999"))
	assert.Equal(t, []float64{50, 99, 99.999}, v)
	assert.Equal(t, "50,99,99.999", percentiles{&v}.String())
	for _, s := range []string{"", "0", "100", "50,", "p50", "-1", "NaN", "50;99", "101"} {
		require.Error(t, percentiles{&v}.Set(s), s)
	}
}

func TestLoadFlagsUsage(t *testing.T) {
	for args, want := range map[string]string{
		"lat --rate 0":                      `--rate = "0": must be a number above 0 a second, such as 200000, 200k or 1.5M/s`,
		"lat --rate 2G":                     `--rate = 2e+09: must be 0.1 to 1G a second`,
		"lat --rate 1k --arrival x":         `--arrival = "x": must be const, poisson or burst:N`,
		"lat --arrival const":               `--arrival = const: must be left out without rate`,
		"lat --max-lag 5ms":                 `--max-lag = 5ms: must be left out without rate`,
		"lat --outstanding 5":               `--outstanding = 5: must be left out with lat, unless rate is given`,
		"lat --rate 1k --max-lag 0":         `--max-lag = "0": must be a time above 0`,
		"lat --percentiles 50,100":          `--percentiles = "50,100": must be numbers above 0 and below 100`,
		"lat --interval 1ms":                `--interval = 1ms: must be 10ms to 1h`,
		"lat --live 1ms":                    `--live = "1ms": must be auto, off, or a time of 100ms to 1h`,
		"lat --live x":                      `--live = "x": must be auto, off, or a time`,
		"bw --rate 1k":                      "unknown flag: --rate",
		"lat --cq rxe --peer h:1 --rate 1k": `--rate = 1000: must be left out with a peer`,
	} {
		status, stdout, stderr := evdbench(t.Context(), strings.Fields(args)...)
		assert.Equal(t, exitUsage, status, args)
		assert.Empty(t, stdout, args)
		assert.Contains(t, stderr, want)
	}
}

// A rate that cannot be reached: the result is there, and the status says what to think
// of it.
func TestUnreachableRate(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), strings.Fields("lat -q --mode event --rate 1G --duration 20ms --warmup 0 --max-lag 1ms")...)
	assert.Equal(t, exitInvalid, status)
	assert.Contains(t, stdout, "conservation  attempted ")
	assert.Regexp(t, `the run is invalid: the generator was up to .* late, and max-lag is 1ms: offered \d+/s, achieved \d+/s; about \d+ requests were never made`, stderr)
}

var step = bench.Progress{
	Phase: "measure", Elapsed: 12 * time.Second, Done: 2400000,
	Interval: bench.Interval{
		End: 12e9, Operations: 200000, Rate: 200e3, Offered: 200e3, LagMax: 3123,
		P50: 2104, P99: 4032, P999: 9856, Max: 30000, RespP99: 11136, RespMax: 61440, CPU: 61.2, Wakeups: 1900,
	},
}

const (
	liveHeadLine = "       t offered done/s    lag svc p50    p99  p99.9 resp p99    max  cpu wakes"
	liveStepLine = "     12s    200k   200k 3.12us  2.10us 4.03us 9.86us   11.1us 61.4us  61% 1.90k"
)

func TestLiveLines(t *testing.T) {
	cells := liveCells([2]int{1, 1}, step)
	assert.Equal(t, liveHeadLine, liveHead(cells, 79))
	assert.Equal(t, liveStepLine, liveRow(cells, 79))
	assert.Equal(t, "     12s    200k   200k", liveRow(cells, 28), "whole columns or none")
	assert.Equal(t, "", liveRow(cells, 5))
	cells = liveCells([2]int{2, 5}, step)
	assert.Equal(t, " 2/5 12s    200k", liveRow(cells, 20))

	closed := step
	closed.Interval.Offered, closed.Interval.LagMax, closed.Interval.RespP99, closed.Interval.RespMax = 0, 0, 0, 0
	assert.Equal(t, "     12s       -   200k      -  2.10us 4.03us 9.86us        -   30us  61% 1.90k",
		liveRow(liveCells([2]int{1, 1}, closed), 79))
	assert.Equal(t, " warm-up       -      -      -       -      -      -        -      -    -     -",
		liveRow(liveCells([2]int{1, 1}, bench.Progress{Phase: "warm-up"}), 79))

	// The widest of everything.
	wide := step
	v := &wide.Interval
	v.Rate, v.Offered, v.CPU, v.Wakeups, v.Operations = 99.9e6, 99.9e6, 6400, 999000, 99.9e6
	for _, p := range []*int64{&v.LagMax, &v.P50, &v.P99, &v.P999, &v.RespP99, &v.RespMax} {
		*p = 1234567
	}
	for rep := range 9 {
		for _, d := range []time.Duration{time.Second, time.Minute, 99 * time.Minute, 99 * time.Hour} {
			wide.Elapsed = d
			cells := liveCells([2]int{rep, 9}, wide)
			assert.LessOrEqual(t, len(liveRow(cells, 79)), 79)
			assert.Len(t, strings.Fields(liveHead(cells, 79)), len(strings.Fields(liveRow(cells, 79)))+1, "svc p50 and resp p99 are two words each, and the repetition is one")
		}
	}
}

func TestShortNumbers(t *testing.T) {
	for f, want := range map[float64]string{
		0: "0", 0.5: "0.50", 1: "1", 9.99: "9.99", 9.999: "10.0", 12.34: "12.3", 99.99: "100", 999: "999", 999.6: "1.00k", 1000: "1k", 1234: "1.23k",
		200e3: "200k", 999.7e3: "1.00M", 1.5e6: "1.50M", 2e9: "2G",
	} {
		assert.Equal(t, want, shortCount(f), "%v", f)
	}
	for ns, want := range map[int64]string{
		0: "-", -1: "-", 1: "1ns", 999: "999ns", 1000: "1us", 2104: "2.10us", 4032: "4.03us", 61440: "61.4us", 999_999: "1.00ms", 10_422_140: "10.4ms", 60e9: "60s",
	} {
		assert.Equal(t, want, shortNanos(ns), "%v", ns)
	}
	for d, want := range map[time.Duration]string{
		0: "0.0s", 950 * time.Millisecond: "0.9s", 12 * time.Second: "12s", 99 * time.Second: "99s", 605 * time.Second: "10m05s", 3 * time.Hour: "3h00m",
	} {
		assert.Equal(t, want, shortTime(d))
	}
}

// screen is a terminal for the few control sequences that live uses.
func screen(s string) []string {
	lines, y := []string{""}, 0
	for len(s) > 0 {
		switch {
		case strings.HasPrefix(s, "\r\x1b[K"):
			lines[y], s = "", s[4:]
		case strings.HasPrefix(s, up):
			y, s = max(y-1, 0), s[len(up):]
		case s[0] == '\n':
			if y++; y == len(lines) {
				lines = append(lines, "")
			}
			lines[y], s = "", s[1:]
		default:
			lines[y], s = lines[y]+s[:1], s[1:]
		}
	}
	return lines[:y+1]
}

// On a terminal there are a head and a line, whatever else is written, and nothing in the
// end.
func TestLiveOnATerminal(t *testing.T) {
	var b bytes.Buffer
	l := &live{w: &b, width: func() int { return 80 }}
	say := func(s string) {
		_, err := io.WriteString(l, s)
		require.NoError(t, err)
	}
	say("first\n")
	l.progress(bench.Progress{Phase: "warm-up"})
	l.progress(step)
	assert.Equal(t, []string{"first", liveHeadLine, liveStepLine}, screen(b.String()))
	say("a message\n")
	assert.Equal(t, []string{"first", "a message", liveHeadLine, liveStepLine}, screen(b.String()))
	say("another ")
	assert.Equal(t, "another ", screen(b.String())[2], "a line that is not ended is not written over")
	say("one\n")
	l.progress(step)
	l.end()
	l.end()
	assert.Equal(t, []string{"first", "a message", "another one", ""}, screen(b.String()))

	b.Reset()
	l.width = func() int { return 30 }
	l.progress(step)
	for _, line := range screen(b.String()) {
		assert.Less(t, len(line), 30)
	}
	assert.NotRegexp(t, regexp.MustCompile("\x1b\\[[0-9;]*m"), b.String(), "no colours")
}

// Elsewhere there are plain lines, with a head now and then, if they are asked for.
func TestLivePlainLines(t *testing.T) {
	var b bytes.Buffer
	l := &live{}
	require.NoError(t, l.Set("1s"))
	var w bench.Watch
	l.begin(&b, false, &w)
	assert.Equal(t, time.Second, w.Every)
	for range 21 {
		w.Progress(step)
	}
	l.end()
	want := liveHeadLine + "\n" + strings.Repeat(liveStepLine+"\n", 20) + liveHeadLine + "\n" + liveStepLine + "\n"
	assert.Equal(t, want, b.String())
}

// By default nothing is shown where there is no terminal, and nothing costs anything.
func TestLiveIsOffWithoutATerminal(t *testing.T) {
	for _, mode := range []string{"auto", "off"} {
		l := &live{}
		require.NoError(t, l.Set(mode))
		assert.Equal(t, mode, l.String())
		f, err := os.Create(t.TempDir() + "/stderr")
		require.NoError(t, err)
		var w bench.Watch
		l.begin(f, false, &w)
		require.NoError(t, f.Close())
		assert.Nil(t, w.Progress)
		l.end()
	}
}

func TestLiveFlag(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), strings.Fields("lat --mode event --duration 250ms --live 100ms")...)
	require.Zero(t, status, stderr)
	assert.Contains(t, stderr, liveHeadLine+"\n")
	assert.NotContains(t, stdout, "svc p50")
	status, _, stderr = evdbench(t.Context(), strings.Fields("lat --mode event --duration 50ms")...)
	require.Zero(t, status)
	assert.NotContains(t, stderr, "svc p50")
}
