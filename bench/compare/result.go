package compare

import (
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/stats"
	"github.com/evdengine/evd/bench/turns"
)

// Schema is the version of the JSON form of a Result.
const Schema = 1

// Result is a comparison.
type Result struct {
	Schema  int       `json:"compare_schema"`
	Start   time.Time `json:"start"`
	Command string    `json:"command"` // lat, bw, wake
	Sides   []Side    `json:"sides"`   // the first is what the others are compared with

	Primary    string  `json:"primary"`    // the metric that the verdict is about
	Confidence float64 `json:"confidence"` // of the verdict, all looks together
	Interval   float64 `json:"interval"`   // confidence of the intervals here

	// Comparisons are with Sides[1], Sides[2], ..
	Comparisons []Comparison `json:"comparisons"`

	// Limits are those that were asked for, of each side.
	Limits []Limit `json:"limits,omitempty"`

	// Differences between the sides that are not what was to be compared: host, settings.
	Differences []string `json:"differences"`
	Warnings    []string `json:"warnings"`

	// Of an interleaved comparison only.
	Interleaved *Course `json:"interleaved,omitempty"`
}

// Side is one side of a comparison.
type Side struct {
	Name    string       `json:"name"` // A, B, ..; of --engines, the engine
	Source  string       `json:"source"`
	Args    []string     `json:"args,omitempty"`
	Version string       `json:"version"`
	Reps    int          `json:"reps"`
	Config  bench.Config `json:"config"`
	Env     bench.Env    `json:"env"`
}

// Comparison is one side held against the first, metric by metric.
type Comparison struct {
	Side       string            `json:"side"`
	Judgements []stats.Judgement `json:"judgements"`
}

// Course is how an interleaved comparison went.
type Course struct {
	Plan    stats.Plan    `json:"plan"`
	Blocks  int           `json:"blocks"`
	Rounds  int           `json:"rounds"` // turns of each process in a block
	Turn    time.Duration `json:"turn_ns"`
	Warmup  time.Duration `json:"turn_warmup_ns"`
	Turns   int           `json:"turns"`
	Invalid int           `json:"invalid_turns"` // whose figures were not used
	Elapsed time.Duration `json:"elapsed_ns"`
	Seed    uint64        `json:"seed"` // of the order
	Ended   string        `json:"ended"`
	Values  []turns.Block `json:"values"` // by block, round, side and copy
}

// How a course ended.
const (
	Decided     = "decided"
	OutOfReps   = "max-reps"
	OutOfTime   = "max-time"
	Interrupted = "interrupted"
)

// Judgement returns that of a metric.
func (c *Comparison) Judgement(metric string) (stats.Judgement, bool) {
	metric = stats.Canonical(metric)
	i := slices.IndexFunc(c.Judgements, func(j stats.Judgement) bool { return j.Metric == metric })
	if i < 0 {
		return stats.Judgement{}, false
	}
	return c.Judgements[i], true
}

// Verdict is that of the primary metric over all comparisons: the worst of them.
func (r *Result) Verdict() stats.Verdict {
	v := stats.BetterBy
	for i := range r.Comparisons {
		j, ok := r.Comparisons[i].Judgement(r.Primary)
		if !ok {
			return stats.Inconclusive
		}
		if badness[j.Verdict] > badness[v] {
			v = j.Verdict
		}
	}
	return v
}

var badness = map[stats.Verdict]int{stats.BetterBy: 0, stats.Same: 1, stats.Inconclusive: 2, stats.Worse: 3}

// JSON writes r as one indented JSON document.
func (r *Result) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Primary is the metric that decides unless another is asked for: the rate of bw, and
// the 99th percentile of what has latencies.
func Primary(workload string) string {
	if workload == bench.BW {
		return "rate"
	}
	return "svc.p99"
}
