// Package resulttest makes up results for tests: the same ones each time, on every
// machine. They look like what evdbench measures, and are not.
package resulttest

import (
	"time"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/engine"
)

// start is when all of it took place.
var start = time.Date(2026, 11, 22, 21, 30, 4, 0, time.UTC)

func file(command string, settings map[string]string) *result.File {
	return &result.File{
		Schema: result.Schema, Command: command, Version: "v1.2.3", Start: start,
		Settings: settings, Warnings: []string{},
	}
}

// Lat is an open loop over the mock CQ with three repetitions of 50 000 requests
// each: service and response time, stages, wake-ups and a series.
func Lat() *result.File { return latency(2) }

// Slower is Lat with half as much time again for everything.
func Slower() *result.File {
	f := latency(3)
	f.Settings["spin"] = "50us"
	for _, r := range f.Reps {
		r.Config.Spin = 50 * time.Microsecond
	}
	return f
}

// latency takes its times in halves of scale.
func latency(scale int64) *result.File {
	f := file("lat", map[string]string{"rate": "5k", "mode": "adaptive", "spin": "20us", "duration": "10s", "stages": "true", "reps": "3"})
	f.Tags = map[string]string{"host": "lab-3", "branch": "main"}
	for i := range 3 {
		r := report(bench.Config{
			Workload: bench.Lat, Rate: 5e3, Arrival: "poisson", MaxLag: 10 * time.Millisecond,
			Spin: 20 * time.Microsecond, Duration: 10 * time.Second, Stages: true, Interval: time.Second,
		})
		fill(r, random(i+1), scale)
		f.Reps = append(f.Reps, r)
	}
	f.Reps[1].Warnings = []string{"two readings of the clock, 36 ns each, are a large part of the median"}
	return f
}

// BW is a closed loop of throughput, one repetition, no latency.
func BW() *result.File {
	f := file("bw", map[string]string{"outstanding": "64", "posters": "2", "mode": "spin"})
	r := report(bench.Config{Workload: bench.BW, Mode: "spin", Posters: 2})
	r.Measures = "events a second, with 64 requests in flight"
	r.Results = bench.Results{
		Operations: 24_000_000, Elapsed: int64(2 * time.Second), Rate: 12e6, PerOp: 83.3,
		EventsPerUpcall: 14.2, CPU: 187.4, Mallocs: 12,
	}
	r.Conservation.Attempted, r.Conservation.Accepted, r.Conservation.Delivered = 24_100_000, 24_000_000, 24_000_000
	r.Conservation.Rejected = 100_000
	r.Conservation.Producers = []bench.ProducerBalance{
		{Name: "work requests", Attempted: 16_000_000, Accepted: 16_000_000, Order: bench.Order{Seen: 16_000_000}},
		{Name: "poster 0", Attempted: 4_060_000, Accepted: 4_000_000, Rejected: 60_000, Order: bench.Order{Seen: 4_000_000}},
		{Name: "poster 1", Attempted: 4_040_000, Accepted: 4_000_000, Rejected: 40_000, Order: bench.Order{Seen: 4_000_000}},
	}
	for i := range 4 {
		r.Series = append(r.Series, bench.Interval{
			End: int64(i+1) * int64(500*time.Millisecond), Operations: 6_000_000, Rate: 12e6 + float64(i%3-1)*4e5, CPU: 187,
		})
	}
	f.Reps = []*bench.Report{r}
	return f
}

// Invalid is Lat with a second repetition that lagged and lost an event, was cut
// short, and has settings, tags and warnings that try to be markup.
func Invalid() *result.File {
	f := Lat()
	const bad = `"><script>alert('x')</script><img src=http://example.invalid/x>`
	f.Tags = map[string]string{"note": bad, bad: "x, y\n=1+1"}
	f.Settings["dev"] = bad
	f.Warnings = []string{"beware of " + bad}
	f.Reps = f.Reps[:2]
	r := f.Reps[1]
	r.Interrupted = true
	r.Invalid = []string{"the generator was 15ms late, and max-lag is 10ms"}
	r.Conservation.Violations = []string{"work requests: missing 1, duplicates 0, reordered 0"}
	return f
}

// Sweep is a matrix of two modes and three depths over bw.
func Sweep() *result.File {
	f := file("sweep", map[string]string{"mode": "spin,event", "outstanding": "1,8,64", "duration": "1s"})
	for m, mode := range []string{"spin", "event"} {
		for o, out := range []string{"1", "8", "64"} {
			c := BW()
			c.Settings = map[string]string{"mode": mode, "outstanding": out, "duration": "1s"}
			r := c.Reps[0]
			r.Config.Mode, r.Config.Outstanding = mode, []int{1, 8, 64}[o]
			r.Results.Rate = []float64{2e6, 7e6, 12e6, 1.5e5, 1e6, 6e6}[3*m+o]
			r.Results.CPU = []float64{100, 100, 100, 34, 52, 80}[3*m+o]
			f.Cells = append(f.Cells, c)
		}
	}
	return f
}

// Nodes is a run of four ranks in pairs, of which the last server was lost.
func Nodes() *result.File {
	f := Lat()
	f.Command, f.Settings = "nodes", map[string]string{"pattern": "pairs"}
	f.Reps = f.Reps[:1]
	r := f.Reps[0]
	r.Config.CQ, r.Load, r.Results.Response = bench.CQTCP, nil, nil
	r.Connection = &bench.Connection{Established: 4, Disconnected: 3, Sent: 2200, Received: 2200, Lost: "rank 3 on b: no answer"}
	for i := range 4 {
		n := result.Node{Rank: i, Host: "ab"[i/2 : i/2+1], Role: "client", Flows: 1, Operations: 1000, Rate: 5000 - 100*float64(i), Sent: 1100, Received: 1100}
		if i%2 == 0 {
			n.Latency = r.Results.Latency
		} else {
			n.Role = "server"
		}
		f.Nodes = append(f.Nodes, n)
	}
	f.Nodes[3].Lost, f.Nodes[3].Sent, f.Nodes[3].Operations = r.Connection.Lost, 0, 0
	return f
}

func report(c bench.Config) *bench.Report {
	return &bench.Report{
		Measures: "a round trip: from the submission of a request to the upcall for its completion",
		Config:   c.WithDefaults(),
		Env: bench.Env{
			Version: "v1.2.3", Go: "go1.26.0", OS: "linux", Arch: "amd64", Kernel: "6.12.38", CPU: "A CPU of some kind",
			CPUs: 4, GOMAXPROCS: 4,
			Clock: bench.ClockEnv{Source: bench.SourceTSC, Hertz: 2.5e9, Cost: 36, Drift: -0.3},
		},
		Conservation: bench.Conservation{
			Attempted: 50_100, Accepted: 50_100, Delivered: 50_099, Dequeued: 1,
			Producers:  []bench.ProducerBalance{{Name: "work requests", Attempted: 50_100, Accepted: 50_100, Order: bench.Order{Seen: 50_100}}},
			Violations: []string{},
		},
		Engine: engine.Stats{
			Polled: 50_100, Delivered: 50_099, Upcalls: 38_000, Dequeued: 1, Arms: 19_400, Events: 19_300, Spurious: 77,
			Averted: 100, Sleeps: 19_300, Wakes: 19_300, Grown: 3, Shrunk: 5, HandOvers: 2,
		},
		CQ:       bench.CQCounts{Polls: 900_000, EmptyPolls: 860_000, Completions: 50_100},
		Warnings: []string{},
		Invalid:  []string{},
	}
}
