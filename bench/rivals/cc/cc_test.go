package cc

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// patience is a guard against a hang.
const patience = time.Minute

// start builds the program, once for all tests, and runs it. It skips where there is
// no compiler: TestNothingInstalled looks at that.
func start(t *testing.T) (*Process, List) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool.program); err != nil {
			t.Skipf("without %s there is nothing to test: apt-get install %s", tool.program, tool.pkg)
		}
	}
	path, missing, err := build(built, "-O0 -DTESTING") // a third of the time of -O3
	require.NoError(t, err)
	p, err := Start(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	l, err := p.List(patience)
	require.NoError(t, err)
	require.Equal(t, missing, l.Missing)
	return p, l
}

var built string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "rivals-cc")
	if err != nil {
		panic(err)
	}
	built = dir
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// Every cell that is listed gives a sample, and the events come out as they went in.
func TestEveryCellAnswers(t *testing.T) {
	p, l := start(t)
	require.Contains(t, l.Versions["flags"], "-O0 -DTESTING -march=native")
	for impl, shapes := range l.Cells {
		for shape, sizes := range shapes {
			if shape[0] != 'U' && len(sizes) > 1 { // they take turns on a busy machine: one size each
				sizes = sizes[:1]
			}
			if impl == "slow" || len(shape) > 5 || strings.ContainsAny(shape[:1], "345678") { // time is short, and 9P1C is the same code
				continue
			}
			for _, size := range sizes {
				r := Request{Impl: impl, Shape: shape, Event: size, MS: 0.001}
				require.True(t, l.Has(r))
				s, err := p.Ask(r, patience)
				require.NoError(t, err)
				require.True(t, s.OK, "%v: %v", r, s)
				require.Positive(t, s.NS, "%v: %v", r, s)
				require.Positive(t, s.N, "%v: %v", r, s)
			}
		}
	}
}

// A sample with more producers than CPUs ends in time, however slow the queue, and tells
// what it did until then.
func TestEndsInTime(t *testing.T) {
	p, _ := start(t)
	for _, shape := range []string{"2P1C", "2P1Cb", "16P1C"} {
		s, err := p.Ask(Request{Impl: "slow", Shape: shape, MS: 5}, patience)
		require.NoError(t, err)
		require.True(t, s.OK, shape)
		require.Positive(t, s.N, shape)
		require.Less(t, s.N, 1000, shape) // events that take a millisecond each
		require.GreaterOrEqual(t, s.NS, 1e6, shape)
	}
}

// Each of moodycamel's producers has memory to go on with when another has taken all the
// rest.
func TestNoProducerStarves(t *testing.T) {
	p, l := start(t)
	if _, there := l.Cells["moodycamel"]; !there {
		require.Contains(t, l.Missing, "libconcurrentqueue-dev")
		return
	}
	s, err := p.Ask(Request{Impl: "moodycamel", Shape: "starve"}, patience)
	require.NoError(t, err)
	require.True(t, s.OK)
}

// What is there and what is missing are all that there could be.
func TestMissingIsWhatIsNotThere(t *testing.T) {
	_, l := start(t)
	for _, always := range []string{"run", "cas", "xchg", "cas+xchg", "mutex", "pingpong", "stream16", "stream64", "cpoll"} {
		require.Contains(t, l.Cells, always)
	}
	missing := strings.Join(l.Missing, " ")
	for impl, pkg := range map[string]string{
		"moodycamel": "libconcurrentqueue-dev", "boost-spsc": "libboost-dev",
		"rte-mp": "libdpdk-dev", "rte-sp": "libdpdk-dev", "rte-rts": "libdpdk-dev", "rte-hts": "libdpdk-dev",
	} {
		_, there := l.Cells[impl]
		named := strings.Contains(missing, pkg) || pkg == "libdpdk-dev" && strings.Contains(missing, "pkg-config")
		require.NotEqual(t, there, named, "%s: %v, missing %v", impl, there, l.Missing)
	}
}

// A request that cannot be answered gives an error that says why, and the next one is
// answered.
func TestWrongRequests(t *testing.T) {
	p, _ := start(t)
	for line, want := range map[string]string{
		``:                                "JSON object",
		`hello`:                           "JSON object",
		`{`:                               `want "key":`,
		`{}x`:                             "after the request",
		`{"impl"}`:                        `want "key":`,
		`{"impl":"run"`:                   "want , or }",
		`{"impl":"run" "shape":"U1"}`:     "want , or }",
		`{"impl":"r\nn"}`:                 "malformed string",
		`{"impl":"run`:                    "malformed string",
		`{"impl":7}`:                      "no parameter impl that is a number",
		`{"event":"16"}`:                  "no parameter event that is a string",
		`{"event":nan}`:                   "malformed value for event",
		`{"event":1e999}`:                 "malformed value for event",
		`{"event":[16]}`:                  "malformed value for event",
		`{"event":17}`:                    "event 17: want 16, 32 or 64",
		`{"event":16.5}`:                  "event 16.5: want 16, 32 or 64",
		`{"batch":0}`:                     "batch 0: want 1..256",
		`{"batch":257}`:                   "batch 257: want 1..256",
		`{"batch":-1e300}`:                "batch -1e+300: want 1..256",
		`{"ms":0}`:                        "ms 0: want 0.001..1000",
		`{"ms":1001}`:                     "ms 1001: want 0.001..1000",
		`{"cpu0":-1}`:                     "cpu0 -1: want 0..1023",
		`{"impl":"nobody","shape":"U1"}`:  "no impl nobody",
		`{"impl":"run","shape":"17P1C"}`:  "impl run has no shape 17P1C",
		`{"impl":"run","shape":"\u"}`:     "malformed string",
		`{"impl":"ru` + "\x01\xff" + `"}`: "no impl ru",
		`{"impl":"run","shape":"1P1C","cpu0":1023}`:     "CPU",
		`{"impl":"` + strings.Repeat("x", 1<<16) + `"}`: "no impl xxx",
	} {
		err := p.exchange([]byte(line), patience, &Sample{})
		require.ErrorContains(t, err, want, "%.80q", line)
	}
	_, err := p.Ask(Request{Impl: "cas", Shape: "limit"}, patience)
	require.NoError(t, err)
}

// A program that does not answer is ended, and one that ends is noticed.
func TestNoAnswer(t *testing.T) {
	for name, script := range map[string]string{
		"no answer within": "while :; do sleep 1; done",
		"ended without":    "read line",
		"answered":         "read line; echo what",
	} {
		path := filepath.Join(t.TempDir(), "program")
		require.NoError(t, os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700))
		p, err := Start(path)
		require.NoError(t, err)
		timeout := patience
		if name == "no answer within" {
			timeout = time.Millisecond
		}
		_, err = p.Ask(Request{Impl: "cas", Shape: "limit"}, timeout)
		require.ErrorContains(t, err, name)
		_, again := p.Ask(Request{Impl: "cas", Shape: "limit"}, patience)
		require.Equal(t, err, again)
		require.NoError(t, p.Close())
		require.NoError(t, p.Close())
	}
}

// Without a compiler nothing is built, and the message says what to install.
func TestNothingInstalled(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	path, missing, err := Build(t.TempDir())
	require.ErrorIs(t, err, ErrTools)
	require.ErrorContains(t, err, "apt-get install make g++")
	require.Equal(t, []string{"make", "g++"}, missing)
	require.Empty(t, path)
}
