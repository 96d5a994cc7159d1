package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/result"
)

func readProfile(t *testing.T, name string) *profile.Profile {
	t.Helper()
	f, err := os.Open(name)
	require.NoError(t, err)
	defer f.Close()
	p, err := profile.Parse(f)
	require.NoError(t, err, name)
	require.NoError(t, p.CheckValid())
	return p
}

// Every kind of profile is taken, in a run of its own, and read again.
func TestProfileCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "folder")
	status, stdout, stderr := evdbench(t.Context(), "profile", "bw", "--out", dir, "--count", "200k", "--warmup", "0",
		"--mode", "event", "--posters", "1", "--top", "2")
	require.Zero(t, status, stderr)
	assert.Contains(t, stdout, "conservation  attempted ")
	assert.Contains(t, stdout, "profiles in "+dir+", each of a run of its own\n")
	for _, k := range kinds {
		assert.Contains(t, stderr, "evdbench: profile: "+k.name+"\n")
		assert.Regexp(t, `\n +`+regexp.QuoteMeta(k.file)+` +\d+ +[+-]\d+\.\d % +\d+ KiB`, stdout)
		assert.Contains(t, stdout, filepath.Join(dir, k.file)+"\n", "how to go on")
		if k.name == "trace" {
			b, err := os.ReadFile(filepath.Join(dir, k.file))
			require.NoError(t, err)
			assert.True(t, bytes.HasPrefix(b, []byte("go 1.")))
			continue
		}
		readProfile(t, filepath.Join(dir, k.file))
	}
	assert.Regexp(t, `\n +plain again +\d+ `, stdout)
	for _, title := range []string{"\ncpu: CPU time, ", "\nheap: memory allocated, ", "\nmutex: time that others waited for locks, ", "\nblock: time that goroutines waited, "} {
		assert.Contains(t, stdout, title)
	}
}

// What is there while the run lasts is in the goroutine profile, with its labels.
func TestGoroutineProfileHasLabels(t *testing.T) {
	name := filepath.Join(t.TempDir(), "goroutine.pb.gz")
	found := map[string]bool{}
	for range 50 { // it looks now and then: on a busy host the first run may be over before
		status, _, stderr := evdbench(t.Context(), "bw", "-q", "--mode", "event", "--duration", "50ms", "--warmup", "0", "--posters", "1", "--goroutineprofile", name)
		require.Zero(t, status, stderr)
		for _, s := range readProfile(t, name).Sample {
			for _, l := range s.Label["evd"] {
				found[l] = true
			}
		}
		if found["poller"] && found["producer"] {
			break
		}
	}
	assert.ElementsMatch(t, []string{"device", "poller", "producer", "watchdog", "worker"}, keys(found))
}

func keys(m map[string]bool) (k []string) {
	for s := range m {
		k = append(k, s)
	}
	return k
}

// The CPU profile of a run has the labels of its stages and phases.
func TestCPUProfileHasLabels(t *testing.T) {
	name := filepath.Join(t.TempDir(), "cpu.pb.gz")
	for range 50 { // a sample is 10 ms of CPU time, which a busy host may not give at once
		status, _, stderr := evdbench(t.Context(), "bw", "-q", "--mode", "spin", "--duration", "100ms", "--warmup", "20ms", "--cpuprofile", name)
		require.Zero(t, status, stderr)
		p := readProfile(t, name)
		for _, s := range p.Sample {
			if s.HasLabel("evd", "poller") && s.HasLabel("phase", "measure") {
				assert.True(t, s.HasLabel("rep", "1"))
				assert.True(t, s.HasLabel("name", "bench"))
				stages, total := byStage(p, "cpu", false)
				assert.NotEmpty(t, stages)
				assert.Positive(t, total)
				return
			}
		}
	}
	t.Fatal("no sample of the poller in 50 profiles")
}

func TestProfileOfSome(t *testing.T) {
	t.Chdir(t.TempDir())
	status, stdout, stderr := evdbench(t.Context(), "profile", "lat", "-q", "--count", "500", "--warmup", "0", "--mode", "event", "--kinds", "heap,goroutine")
	require.Zero(t, status, stderr)
	assert.Empty(t, stderr)
	files, err := os.ReadDir(defaultProfileDir)
	require.NoError(t, err)
	assert.Len(t, files, 2)
	assert.NotContains(t, stdout, "cpu:")
	// In another form there is the result and nothing else.
	status, stdout, stderr = evdbench(t.Context(), "profile", "wake", "-q", "--count", "50", "--warmup", "0", "--mode", "event", "--kinds", "goroutine", "-o", "json")
	require.Zero(t, status, stderr)
	f, err := result.Read(strings.NewReader(stdout))
	require.NoError(t, err)
	assert.Equal(t, "wake", f.Command)
}

// What was not made for it is not removed: --flight /dev/null, as root, above all.
func TestRemoveFile(t *testing.T) {
	dir := t.TempDir()
	link, file := filepath.Join(dir, "link"), filepath.Join(dir, "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	require.NoError(t, os.Symlink(os.DevNull, link))
	require.NoError(t, removeFile(link))
	_, err := os.Lstat(link)
	require.NoError(t, err)
	require.NoError(t, removeFile(file))
	_, err = os.Lstat(file)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Error(t, removeFile(file))
}

func TestProfileRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for args, want := range map[string]string{
		"profile":                          "evdbench profile: which command?",
		"profile serve":                    `unknown command "serve"`,
		"profile lat --kinds cpu,x":        `--kinds = "cpu,x": must be one or more of cpu,heap,mutex,block,goroutine,trace`,
		"profile lat --kinds=":             `--kinds = "": must be one or more of`,
		"profile lat --top 0":              `--top = "0": must be a whole number, 1..1000`,
		"profile lat --cpuprofile x":       "--cpuprofile = x: must be left out with profile",
		"profile lat --pprof-addr :1":      "--pprof-addr = localhost:1: must be left out with profile",
		"profile bw --trace x":             "--trace = x: must be left out with profile",
		"profile lat --fail-if p99>1s":     "must be left out with profile, which takes profiles itself, and whose figures are not to be judged",
		"profile bw --save x":              "--save = x: must be left out with profile",
		"profile lat --depth 5000000":      "--depth = 5000000: must be 1..4194304",
		"lat --flight x":                   "--flight = x: must be left out without --trace-breach",
		"lat --trace-breach 1us":           "--trace-breach = 1µs: must be left out without --flight",
		"lat --trace-breach 0 --flight x":  `--trace-breach = "0": must be a time above 0`,
		"bw --trace-breach 1us --flight x": "unknown flag: --trace-breach",
		"lat --pprof-addr x":               `--pprof-addr = "x": must be HOST:PORT or :PORT`,
		"lat --pprof-addr h:x":             `--pprof-addr = "h:x": must be HOST:PORT or :PORT`,
		"lat --pprof-addr :65536":          `--pprof-addr = ":65536": must be HOST:PORT or :PORT`,
		"wake --mode spin":                 "--mode = spin: must be event or adaptive with wake",
		"wake --rest 1us":                  "--rest = 1µs: must be 20us to 1s",
		"wake --cq x":                      `--cq = "x": must be mock, eventfd, uring, rxe or verbs`,
		"wake --stages":                    "unknown flag: --stages",
	} {
		t.Run(args, func(t *testing.T) {
			t.Chdir(t.TempDir())
			status, stdout, stderr := evdbench(t.Context(), strings.Fields(args)...)
			assert.Equal(t, exitUsage, status, stderr)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, want)
		})
	}
	status, stdout, stderr := evdbench(t.Context(), "profile", "lat", "--out", file)
	assert.Equal(t, exitUnavailable, status)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "--out = ")
}

// What has been measured is reported, whatever becomes of the rest.
func TestProfileInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	status, stdout, _ := evdbench(ctx, "profile", "lat", "-q", "--duration", "1h", "--mode", "event", "--out", t.TempDir())
	assert.Equal(t, exitInterrupted, status)
	assert.Contains(t, stdout, "partial ")
	assert.NotContains(t, stdout, "profiles in")
}

func TestByStage(t *testing.T) {
	fn := func(name string) *profile.Location {
		return &profile.Location{Line: []profile.Line{{Function: &profile.Function{Name: name}}}}
	}
	sample := func(v int64, evd, phase string, stack ...string) *profile.Sample {
		s := &profile.Sample{Value: []int64{1, v}, Label: map[string][]string{}}
		for _, f := range stack {
			s.Location = append(s.Location, fn(f))
		}
		if evd != "" {
			s.Label["evd"] = []string{evd}
		}
		if phase != "" {
			s.Label["phase"] = []string{phase}
		}
		return s
	}
	p := &profile.Profile{
		SampleType: []*profile.ValueType{{Type: "samples"}, {Type: "cpu"}, {Type: "delay"}},
		Sample: []*profile.Sample{
			sample(30, "poller", "measure", "github.com/evdengine/evd/engine.(*EVD).decode", "main.main"),
			sample(20, "poller", "", "runtime.futex", "github.com/evdengine/evd/ring.(*MPSC[go.shape.int]).Pop"),
			sample(15, "poller", "measure", "github.com/evdengine/evd/engine.(*EVD).decode"),
			sample(900, "poller", "warm-up", "x"),
			sample(900, "poller", "stop", "x"),
			sample(5, "worker", "measure", "b"),
			sample(5, "worker", "measure", "a"),
			sample(7, "", "", "runtime.mcall"),
		},
	}
	stages, total := byStage(p, "cpu", false)
	assert.EqualValues(t, 82, total)
	assert.Equal(t, []stage{
		{"poller", 65, []function{{"engine.(*EVD).decode", 45}, {"runtime.futex", 20}}},
		{"worker", 10, []function{{"a", 5}, {"b", 5}}},
		{"other", 7, []function{{"runtime.mcall", 7}}},
	}, stages)
	stages, _ = byStage(p, "cpu", true)
	assert.Equal(t, function{"ring.(*MPSC[..]).Pop", 20}, stages[0].functions[1])
	assert.Equal(t, function{"runtime.mcall", 7}, stages[2].functions[0], "nothing else called it")
	stages, total = byStage(p, "alloc_space", true)
	assert.Empty(t, stages)
	assert.Zero(t, percent(1, total))
}

// A profile of a run has nothing of what was before it.
func TestDelta(t *testing.T) {
	d, err := newDelta("goroutine")
	require.NoError(t, err)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() { <-stop })
	}
	var b bytes.Buffer
	require.NoError(t, d.write(&b))
	close(stop)
	wg.Wait()
	p, err := profile.Parse(&b)
	require.NoError(t, err)
	sum := int64(0)
	for _, s := range p.Sample {
		sum += s.Value[0]
		assert.False(t, ofLookup(s))
	}
	assert.EqualValues(t, 3, sum)
	_, err = os.Stat("evdbench-profiles")
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// shout is a writer for two goroutines.
type shout struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *shout) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *shout) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// others registers what a program may have registered.
var others = sync.OnceFunc(func() {
	http.HandleFunc("/evdbench-test", func(http.ResponseWriter, *http.Request) {})
})

// While a run lasts its profiles can be fetched, and nothing else.
func TestPprofAddr(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stderr shout
	ended := make(chan int)
	go func() {
		ended <- run(ctx, []string{"lat", "--duration", "1h", "--mode", "event", "--pprof-addr", ":0"}, io.Discard, &stderr)
	}()
	var at []string
	require.Eventually(t, func() bool {
		at = regexp.MustCompile(`profiles at (http://(127\.0\.0\.1|\[::1\]):\d+)/debug/pprof/ until`).FindStringSubmatch(stderr.String())
		return at != nil
	}, 20*time.Second, time.Millisecond)
	get := func(path string) (int, []byte) {
		r, err := http.Get(at[1] + path)
		require.NoError(t, err)
		defer r.Body.Close()
		b, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		return r.StatusCode, b
	}
	require.Eventually(t, func() bool {
		_, b := get("/debug/pprof/goroutine?debug=1")
		return bytes.Contains(b, []byte(`"evd":"poller", "name":"bench", "phase":"measure", "rep":"1"`))
	}, 20*time.Second, time.Millisecond)
	others()
	for _, path := range []string{"/", "/evdbench-test", "/debug/vars"} {
		code, _ := get(path)
		assert.Equal(t, http.StatusNotFound, code, path)
	}
	code, b := get("/debug/pprof/")
	assert.Equal(t, http.StatusOK, code)
	assert.Contains(t, string(b), "heap")

	// Another run cannot have the port.
	addr := strings.TrimPrefix(at[1], "http://")
	status, stdout, said := evdbench(t.Context(), "lat", "--count", "10", "--pprof-addr", addr)
	assert.Equal(t, exitUnavailable, status)
	assert.Empty(t, stdout)
	assert.Contains(t, said, "--pprof-addr = "+addr+": listen tcp ")
	assert.NotContains(t, said, "soft-RoCE")
	cancel()
	assert.Equal(t, exitInterrupted, <-ended)
	_, err := net.DialTimeout("tcp", addr, time.Second)
	assert.Error(t, err, "it ends with the run")
}

// The first latency above the limit writes the trace, and the report says when.
func TestFlight(t *testing.T) {
	name := filepath.Join(t.TempDir(), "flight.trace")
	for _, command := range []string{"lat", "wake"} {
		status, stdout, stderr := evdbench(t.Context(), command, "--count", "200", "--warmup", "0", "--mode", "event", "--trace-breach", "1ns", "--flight", name)
		require.Zero(t, status, stderr)
		assert.Regexp(t, `warning +\S+ after the start a latency was \S+, above 1ns: `+regexp.QuoteMeta(name)+" has the trace until then", stdout)
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		assert.True(t, bytes.HasPrefix(b, []byte("go 1.")))
		assert.Greater(t, len(b), 1000)
	}
	// Nothing happens: there is no file.
	status, stdout, stderr := evdbench(t.Context(), "lat", "--count", "200", "--warmup", "0", "--mode", "event", "--trace-breach", "1h", "--flight", name)
	require.Zero(t, status, stderr)
	assert.NotContains(t, stdout, "after the start")
	assert.Contains(t, stderr, "no latency was above 1h0m0s: there is no "+name)
	_, err := os.Stat(name)
	assert.ErrorIs(t, err, os.ErrNotExist)
	// It cannot be made: known before the run.
	status, stdout, stderr = evdbench(t.Context(), "lat", "--count", "200", "--trace-breach", "1h", "--flight", filepath.Join(name, "no"))
	assert.Equal(t, exitFailed, status)
	assert.Empty(t, stdout)
	assert.Contains(t, stderr, "--flight: ")
}

func TestWakeCommand(t *testing.T) {
	status, stdout, stderr := evdbench(t.Context(), strings.Fields("wake --mode event --count 100 --warmup 10 --rest 50us")...)
	require.Zero(t, status, stderr)
	assert.Contains(t, stderr, "evdbench: wake over mock for 100 operations")
	for _, want := range []string{"measures      wake-up: from just before", "asleep for 50µs", "wake ", "dispatch", "--spin"} {
		assert.Contains(t, stdout, want)
	}
	status, stdout, stderr = evdbench(t.Context(), strings.Fields("lat -q --stages --mode event --count 300 -o json")...)
	require.Zero(t, status, stderr)
	f, err := result.Read(strings.NewReader(stdout))
	require.NoError(t, err)
	st := f.Reps[0].Stages
	require.NotNil(t, st)
	assert.InDelta(t, st.Whole, st.Sum, 10)
	assert.Positive(t, st.Cost)
	_, stdout, _ = evdbench(t.Context(), "__complete", "wake", "--cq", "")
	assert.Contains(t, stdout, "mock\neventfd\nuring\n")
}
