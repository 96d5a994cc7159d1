package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

// evdbench runs the command.
func evdbench(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(ctx, args, &out, &err)
	return status, out.String(), err.String()
}

func TestUsage(t *testing.T) {
	for _, x := range []struct {
		args string
		want string // in standard error
	}{
		{"", "evdbench: which command?"},
		{"nonsense", `unknown command "nonsense"`},
		{"lat extra", `unknown command "extra" for "evdbench lat"`},
		{"lat --nonsense", "unknown flag: --nonsense"},
		{"lat --depth", "flag needs an argument: --depth"},
		{"lat --depth 0", `--depth = "0": must be a whole number, 1 or more`},
		{"lat --depth -1", `--depth = "-1": must be a whole number, 1 or more`},
		{"lat --depth x", `--depth = "x": must be a whole number, 1 or more`},
		{"lat --depth 5000000", `--depth = 5000000: must be 1..4194304`},
		{"lat --depth 99999999999999999999", `must be a whole number, 1 or more, and this is too large`},
		{"lat --depth -99999999999999999999", `must be a whole number, 1 or more`},
		{"lat --capacity 0", `--capacity = "0": must be a whole number`},
		{"lat --batch 0", `--batch = "0": must be a whole number`},
		{"lat --batch 5000", `--batch = 5000: must be 1..4096`},
		{"lat --batch 5000000", `--batch = 5000000: must be 1..4096`},
		{"lat --budget 0", `--budget = "0": must be a whole number`},
		{"lat --budget -1", `--budget = "-1": must be a whole number`},
		{"lat --batch 16 --budget 8", `--budget = 8: must be 16..1048576`},
		{"lat --duration 0", `--duration = "0": must be a time above 0, such as 500us or 10s`},
		{"lat --duration -1s", `--duration = "-1s": must be a time above 0`},
		{"lat --duration x", `--duration = "x": must be a time above 0`},
		{"lat --duration 1000h", `--duration = 1000h0m0s: must be more than 0 and at most 720h`},
		{"lat --count 0", `--count = "0": must be a whole number, 1..140737488355328, such as 250000, 250k or 10M`},
		{"lat --count -1", `--count = "-1": must be a whole number`},
		{"lat --count 1.5M", `--count = "1.5M": must be a whole number`},
		{"lat --count 999999999G", `--count = "999999999G": must be a whole number`},
		{"lat --warmup -1s", `--warmup = "-1s": must be a time (100ms), a number of operations (1000; at most 140737488355328), or 0`},
		{"lat --spin 0", `--spin = "0": must be a time above 0, such as 500us or 10s, or auto`},
		{"lat --spin 2s", `--spin = 2s: must be more than 0 and at most 1s, or auto`},
		{"lat --mode event --spin 5us", `--spin = 5µs: must be left out unless mode is adaptive`},
		{"lat --stall 1ms", `--stall = 1ms: must be 100ms to 1h`},
		{"lat --cq x", `--cq = "x": must be mock, rxe, verbs or tcp`},
		{"lat --mode x", `--mode = "x": must be spin, event or adaptive`},
		{"lat --dispatch x", `--dispatch = "x": must be auto, inline or queued`},
		{"lat -o x", `--output = "x": must be text, json`},
		{"lat --gomaxprocs 0", `--gomaxprocs = "0": must be a whole number, 1..1024`},
		{"lat --gomaxprocs 1025", `--gomaxprocs = "1025": must be a whole number, 1..1024`},
		{"lat --gomaxprocs 99999999999999999999", `must be a whole number, 1..1024`},
		{"lat --service=", `--service = "": must be a distribution, or left out`},
		{"lat --cpuprofile=", `--cpuprofile = "": must be a file, or left out`},
		{"lat --cq rxe --dev=", `--dev = "": must be a device, or left out`},
		{"lat --cq rxe --peer=", `--peer = "": must be a HOST:PORT, or left out`},
		{"lat --cq rxe --peer h", `--peer = "h": must be HOST:PORT, with a port of 1..65535`},
		{"lat --cq rxe --peer-listen=", `--peer-listen = "": must be a [HOST]:PORT, or left out`},
		{"lat --seed -1", `--seed = "-1": must be a whole number, 0..18446744073709551615`},
		{"lat --service x", `--service = "x": must be none, const:T`},
		{"lat --service const:-1s", `--service = "const:-1s": must be none, const:T`},
		{"lat --pingpong --oneway", `--oneway = true: must be left out with --pingpong`},
		{"lat --cq mock --dev rxe0", `--dev = rxe0: must be left out with cq mock`},
		{"lat --size 64", `--size = 64: must be left out with cq mock`},
		{"lat --peer h:1", `--peer = h:1: must be left out with cq mock`},
		{"lat --peer-listen :1", `--peer-listen = :1: must be left out with cq mock`},
		{"lat --cq rxe --peer h:1 --peer-listen :1", `--peer-listen = :1: must be left out with peer`},
		{"lat --cq rxe --peer h:1 --oneway", `--oneway = true: must be left out with a peer`},
		{"lat --cq rxe --peer h:1 --duration 1s", `--duration = 1s: must be left out with a peer`},
		{"lat --cq rxe --seed 5", `--seed = 5: must be left out with cq rxe`},
		{"lat --cq rxe --service const:1us", `--service = const:1us: must be left out with cq rxe`},
		{"lat --cq rxe --size 0", `--size = "0": must be a whole number`},
		{"lat --posters 2", "unknown flag: --posters"},
		{"bw --oneway", "unknown flag: --oneway"},
		{"bw --outstanding 0", `--outstanding = "0": must be a whole number`},
		{"bw --posters -1", `--posters = "-1": must be a whole number, 0 or more`},
		{"bw --flip 0", `--flip = "0": must be a whole number`},
		{"bw --cq rxe --outstanding 600", `--outstanding = 600: must be at most 511`},
		{"lat --cq rxe --server=", `--server = "": must be a HOST:PORT, or left out`},
		{"lat --cq rxe --server h", `--server = "h": must be HOST:PORT, with a port of 1..65535`},
		{"lat --server h:1", `--server = h:1: must be left out with cq mock, which no other node can reach`},
		{"lat --cq rxe --server h:1 --peer h:1", `--peer = h:1: must be left out with server`},
		{"lat --cq rxe --server h:1 --oneway", `--oneway = true: must be left out with server`},
		{"lat --cq rxe --server h:1 --retries 7", `--retries = 7: must be 1..6`},
		{"lat --cq rxe --server h:1 --ack-timeout 1us", `--ack-timeout = 1µs: must be 1ms to 1m`},
		{"lat --cq rxe --ack-timeout 1s", `--ack-timeout = 1s: must be left out without server`},
		{"lat --cq rxe --retries 2", `--retries = 2: must be left out without server`},
		{"lat --direction both", "unknown flag: --direction"},
		{"bw --cq rxe --direction both", `--direction = both: must be left out without server`},
		{"bw --cq rxe --server h:1 --direction x", `--direction = "x": must be send, receive or both`},
		{"bw --cq rxe --server h:1 --posters 1", `--posters = 1: must be left out with server`},
		{"bw --cq rxe --server h:1 --flip 1", `--flip = 1: must be left out with server`},
		{"bw --cq rxe --server h:1 --count 10 --warmup 1s", `--warmup = 1s: must be a number of messages, with server and count`},
		{"bw --cq rxe --server h:1 --size 1048576 --outstanding 65", `--outstanding = 65: must be at most 64 with messages of 1048576 bytes: 64 MiB outstanding`},
		{"serve x", `unknown command "x"`},
		{"serve --cq mock", `--cq = "mock": must be rxe`},
		{"serve --count 0", `--count = "0": must be a whole number, 1 or more`},
		{"serve --once --count 2", `--once = true: must be left out with --count 2`},
		{"serve --listen x", `--listen = "x": must be [HOST]:PORT`},
		{"serve --listen=", `--listen = "": must be a [HOST]:PORT, or left out`},
		{"rxe", "evdbench rxe: which command?"},
		{"rxe nonsense", `unknown command "nonsense"`},
		{"version x", `unknown command "x"`},
		{"help nonsense", `unknown command "nonsense"`},
		{"help lat nonsense", `unknown command "lat nonsense"`},
		{"completion", "evdbench completion: which command?"},
		{"completion nonsense", `unknown command "nonsense"`},
	} {
		t.Run(x.args, func(t *testing.T) {
			status, stdout, stderr := evdbench(t.Context(), strings.Fields(x.args)...)
			assert.Equal(t, exitUsage, status, stderr)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, x.want)
			assert.Contains(t, stderr, "--help lists the flags")
		})
	}
}

// All that is wrong is said at once.
func TestUsageJoins(t *testing.T) {
	status, _, stderr := evdbench(t.Context(), "lat", "--depth", "5000000", "--batch", "5000", "--dev", "x")
	assert.Equal(t, exitUsage, status)
	assert.Equal(t, 4, strings.Count(stderr, "\n"), stderr)
	status, _, stderr = evdbench(t.Context(), "lat", "--batch", "5000000")
	assert.Equal(t, exitUsage, status)
	assert.Equal(t, 2, strings.Count(stderr, "\n"), "the default budget depends on batch, and is not a second mistake: %s", stderr)
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{{"--help"}, {"lat", "--help"}, {"bw", "-h"}, {"serve", "--help"}, {"rxe", "up", "--help"}, {"help", "lat"}} {
		status, stdout, stderr := evdbench(t.Context(), args...)
		assert.Zero(t, status)
		assert.Contains(t, stdout, "Usage:")
		assert.Empty(t, stderr)
	}
}

func TestLatText(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), "lat", "--count", "300", "--warmup", "10", "--mode", "event", "--gomaxprocs", "2")
	require.Zero(t, status, stderr)
	assert.Equal(t, "evdbench: lat over mock for 300 operations\n", stderr)
	for _, want := range []string{
		"evdbench      lat  cq=mock mode=event dispatch=auto", "count=300 warmup=10\n", "GOMAXPROCS 2",
		"measures      round trip: ", "p99.9", "n/a", "p99 needs 1 000 samples",
		"conservation  attempted 310 = accepted 310 + rejected 0; accepted = delivered 310 + dequeued 0 + left over 0: OK, all in order, engine counters agree\n",
	} {
		assert.Contains(t, stdout, want)
	}
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	last := lines[len(lines)-1]
	assert.True(t, strings.HasPrefix(last, "conservation") || strings.HasPrefix(last, "warning"), last)
}

func TestAnnounces(t *testing.T) {
	for args, want := range map[string]string{
		"lat --count 5 --duration 1h":   "evdbench: lat over mock for 5 operations or 1h0m0s\n",
		"bw --duration 1ms --warmup 0":  "evdbench: bw over mock for 1ms\n",
		"bw --count 1k --mode adaptive": "evdbench: bw over mock for 1000 operations\n",
	} {
		status, _, stderr := evdbench(t.Context(), strings.Fields(args)...)
		assert.Zero(t, status, args)
		assert.Equal(t, want, stderr)
	}
}

func TestQuiet(t *testing.T) {
	status, _, stderr := evdbench(t.Context(), "lat", "-q", "--count", "10", "--mode", "event")
	assert.Zero(t, status)
	assert.Empty(t, stderr)
}

func TestBWJSON(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), "bw", "--count", "3k", "--warmup", "0", "--posters", "2", "--mode", "adaptive",
		"--spin", "5us", "--service", "const:0s", "--seed", "3", "-o", "json", "-q")
	require.Zero(t, status, stderr)
	var f result.File
	d := json.NewDecoder(strings.NewReader(stdout))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&f))
	_, err := d.Token()
	assert.ErrorIs(t, err, io.EOF, "one document")
	assert.Equal(t, result.Schema, f.Schema)
	assert.Equal(t, "bw", f.Command)
	assert.Equal(t, "3", f.Settings["seed"])
	require.Len(t, f.Reps, 1)
	r := f.Reps[0]
	assert.Equal(t, bench.BW, r.Config.Workload)
	assert.EqualValues(t, 3000, r.Config.Count)
	assert.EqualValues(t, 3000, r.Results.Operations)
	assert.Equal(t, 5*time.Microsecond, r.Config.Spin)
	assert.EqualValues(t, 3, r.Config.Seed)
	assert.Equal(t, 64, r.Config.Outstanding)
	assert.EqualValues(t, 3000, r.Conservation.Accepted)
	assert.Len(t, r.Conservation.Producers, 3)
	assert.Nil(t, r.Results.Latency)
	assert.Equal(t, runtime.GOMAXPROCS(0), r.Env.GOMAXPROCS)
}

// Every flag of bw over mock arrives where it is meant to.
func TestFlagsReachTheConfig(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), strings.Fields("bw -q -o json --mode adaptive --dispatch queued --count 2k --duration 1h"+
		" --warmup 0s --depth 111 --capacity 222 --batch 11 --budget 33 --spin 44us --outstanding 55 --posters 1 --flip 66 --seed 77"+
		" --service const:0s --stall 88s --interval 99ms --percentiles 75,25")...)
	require.Zero(t, status, stderr)
	var f result.File
	require.NoError(t, json.Unmarshal([]byte(stdout), &f))
	require.Len(t, f.Reps, 1)
	r := f.Reps[0]
	assert.Equal(t, bench.Config{
		Workload: bench.BW, CQ: bench.CQMock, Mode: "adaptive", Dispatch: "queued", Count: 2000, Duration: time.Hour,
		Warmup: bench.Span{Off: true}, Depth: 111, Capacity: 222, Batch: 11, Budget: 33, Spin: 44 * time.Microsecond,
		Outstanding: 55, Posters: 1, Flip: 66, Seed: 77, Service: "const:0s", Stall: 88 * time.Second,
		Engine: bench.EngineEVD, Policy: bench.PolicySingle, EVDs: 1, CQs: 1, Handler: "noop",
		Interval: 99 * time.Millisecond, Percentiles: []float64{25, 75},
	}, r.Config)
	status, stdout, stderr = evdbench(t.Context(), strings.Fields("lat -q --count 10 --spin auto")...)
	assert.Zero(t, status, stderr)
	assert.Contains(t, stdout, "spin=auto")
}

func TestOneWayFlags(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), "lat", "--oneway", "--dispatch", "inline", "--count", "100", "-q")
	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, "measures      one way: ")
	status, stdout, _ = evdbench(t.Context(), "lat", "--pingpong", "--count", "100", "-q")
	require.Zero(t, status)
	assert.Contains(t, stdout, "measures      round trip: ")
}

// --gomaxprocs is of the run only.
func TestGomaxprocsIsRestored(t *testing.T) {
	before := runtime.GOMAXPROCS(0)
	status, stdout, _ := evdbench(t.Context(), "lat", "--gomaxprocs", "3", "--count", "10", "-q")
	require.Zero(t, status)
	assert.Contains(t, stdout, "GOMAXPROCS 3")
	assert.Equal(t, before, runtime.GOMAXPROCS(0))
}

func TestInterrupted(t *testing.T) {
	for _, args := range [][]string{
		{"lat", "--duration", "1h", "--mode", "event"},
		{"bw", "--duration", "1h", "--mode", "event", "-o", "json"},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		status, stdout, stderr := evdbench(ctx, args...)
		assert.Equal(t, exitInterrupted, status, stderr)
		assert.Contains(t, stderr, "interrupted; once more ends at once")
		assert.Contains(t, stdout, "interrupted", "a partial report")
		assert.Contains(t, stdout, "conservation")
		cancel()
	}
}

// A device that never completes anything: the run ends by itself, and says
// what is missing.
func TestViolation(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), "lat", "--service", "const:1h", "--stall", "100ms", "--mode", "event")
	assert.Equal(t, exitInvalid, status)
	assert.Contains(t, stderr, "conservation violated: no event came for 100ms")
	assert.Contains(t, stdout, "VIOLATED")
	assert.Contains(t, stdout, "violation     work requests: missing 1")
}

func TestProfiles(t *testing.T) {
	dir := t.TempDir()
	args := []string{"lat", "--count", "100", "--warmup", "0"}
	begins := map[string]string{"cpuprofile": "\x1f\x8b", "memprofile": "\x1f\x8b", "mutexprofile": "\x1f\x8b", "blockprofile": "\x1f\x8b", "goroutineprofile": "\x1f\x8b", "trace": "go 1."}
	for name := range begins {
		args = append(args, "--"+name, filepath.Join(dir, name))
	}
	status, _, stderr := evdbench(t.Context(), args...)
	require.Zero(t, status, stderr)
	for name, want := range begins {
		b, err := os.ReadFile(filepath.Join(dir, name))
		require.NoError(t, err)
		assert.Equal(t, want, string(b[:len(want)]), name)
	}
	for name := range begins {
		// The others are ended again, or the next one could not begin.
		status, stdout, stderr := evdbench(t.Context(), append(args, "--"+name, filepath.Join(dir, "no", "such"))...)
		assert.Equal(t, exitFailed, status)
		assert.Empty(t, stdout, "nothing was run")
		assert.Contains(t, stderr, "--"+name+": ")
		assert.Contains(t, stderr, "such")
	}
	for name := range begins {
		status, _, stderr := evdbench(t.Context(), "lat", "--count", "10", "--"+name+"=")
		assert.Equal(t, exitUsage, status)
		assert.Contains(t, stderr, "--"+name+` = "": must be a file, or left out`)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestResultCannotBeWritten(t *testing.T) {
	var stderr bytes.Buffer
	assert.Equal(t, exitFailed, run(t.Context(), []string{"lat", "--count", "10", "-q"}, brokenPipe{}, &stderr))
	assert.Contains(t, stderr.String(), io.ErrClosedPipe.Error())
}

func TestVersionAndCQs(t *testing.T) {
	status, stdout, _ := evdbench(t.Context(), "version")
	assert.Zero(t, status)
	assert.Regexp(t, `^evdbench \S+ go\S+ \w+/\w+\n$`, stdout)
	status, stdout, _ = evdbench(t.Context(), "cqs")
	assert.Zero(t, status)
	assert.Regexp(t, `^mock +available`, stdout)
	assert.Regexp(t, `\nrxe +(un)?available`, stdout)
}

func TestCompletion(t *testing.T) {
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		status, stdout, _ := evdbench(t.Context(), "completion", shell)
		assert.Zero(t, status)
		assert.NotEmpty(t, stdout)
	}
	_, stdout, _ := evdbench(t.Context(), "__complete", "lat", "--mode", "")
	assert.Contains(t, stdout, "spin\nevent\nadaptive\n")
}

func TestParseCount(t *testing.T) {
	for s, want := range map[string]uint64{"0": 0, "7": 7, "250k": 250e3, "10M": 10e6, "2G": 2e9, "140737488355328": maxCount} {
		got, ok := parseCount(s)
		assert.True(t, ok, s)
		assert.Equal(t, want, got, s)
	}
	for _, s := range []string{"", "k", "-1", "1.5", "1K", "1m", "140737488355329", "140738G", " 1"} {
		_, ok := parseCount(s)
		assert.False(t, ok, s)
	}
}

// A single processor is not enough where pollers sleep in system calls.
func TestProcessors(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	onRXE, onMock := bench.Config{CQ: bench.CQRXE}, bench.Config{CQ: bench.CQMock}
	assert.Equal(t, 2, (&options{cfg: onRXE}).processors())
	assert.Equal(t, 1, (&options{cfg: onRXE, gomaxprocs: 1}).processors(), "asked for")
	assert.Zero(t, (&options{cfg: onMock}).processors())
	t.Setenv("GOMAXPROCS", "1")
	assert.Zero(t, (&options{cfg: onRXE}).processors(), "asked for")
	t.Setenv("GOMAXPROCS", "")
	runtime.GOMAXPROCS(4)
	assert.Zero(t, (&options{cfg: onRXE}).processors())
}
