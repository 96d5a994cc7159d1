package bench

import (
	"time"

	"github.com/evdengine/evd/engine"
)

// Report is all that a run says about itself. Package bench/result stores one
// or more of them, with what is needed to repeat them.
type Report struct {
	Measures string `json:"measures"` // what a latency, or an event, is
	Config   Config `json:"config"`   // complete: defaults filled in
	Env      Env    `json:"env"`

	// Interrupted: the run was ended early; what is reported is what there
	// was until then.
	Interrupted bool `json:"interrupted"`

	Results      Results      `json:"results"`
	Conservation Conservation `json:"conservation"`
	Engine       engine.Stats `json:"engine"` // the EVD's counters, the whole run
	CQ           CQCounts     `json:"cq"`

	// SpinBudget is how long the poller polled at the end of the run before it slept,
	// in mode adaptive: what the load has made of it. 0: it slept at once. Engine.Grown
	// and Engine.Shrunk are how often it changed.
	SpinBudget time.Duration `json:"spin_budget_ns"`

	// Connection and Peer are of a run with a server only. Peer is what the other side
	// says; nil where it is not asked, or did not answer.
	Connection *Connection `json:"connection,omitempty"`
	Peer       *PeerResult `json:"peer,omitempty"`

	// Load is what an open-loop generator offered and how far behind it was; nil: the
	// loop was closed.
	Load *Load `json:"load,omitempty"`

	// Recording is what measuring costs; nil: no latencies were recorded.
	Recording *Recording `json:"recording,omitempty"`

	// Stages split a latency into its parts; nil: not asked for.
	Stages *Stages `json:"stages,omitempty"`

	// Wake is what sleeping and waking cost in the run.
	Wake *Wake `json:"wake,omitempty"`

	// Jitter is what the host does to a goroutine, see MeasureJitter.
	Jitter *Jitters `json:"jitter,omitempty"`

	// Series is the run interval by interval, warm-up excluded.
	Series []Interval `json:"series,omitempty"`

	// Histograms are the whole populations behind the summaries, by the same names:
	// "service", "response", "stage/queue", ..
	Histograms map[string]*Hist `json:"histograms,omitempty"`

	// Faults is what the script of faults did; nil: there was none.
	Faults *FaultReport `json:"faults,omitempty"`

	Warnings []string `json:"warnings"`

	// Invalid says why the figures must not be used: the generator lagged, an event
	// was lost. Empty: they may.
	Invalid []string `json:"invalid"`
}

// OK tells whether the run is valid: nothing was violated, and the figures may
// be used.
func (r *Report) OK() bool { return r.Conservation.OK() && len(r.Invalid) == 0 }

// Load is what the generator of an open-loop run did in the measured part. Offered is
// what its schedule came to, so that Achieved is less only where the generator was late.
type Load struct {
	Offered  float64 `json:"offered_per_second"`
	Achieved float64 `json:"achieved_per_second"`
	LagMax   int64   `json:"lag_max_ns"` // how late a request was made, at worst
	LagP99   int64   `json:"lag_p99_ns"`
	Dropped  uint64  `json:"dropped"` // requests never made, since they were too late; about
}

// Recording is what measuring itself costs an operation, measured in this process after
// the run.
type Recording struct {
	Clock    float64 `json:"clock_ns"`  // of one reading of the clock
	Readings int     `json:"readings"`  // of the clock, an operation
	Record   float64 `json:"record_ns"` // of recording the times, without the readings
}

// Stages are the parts of a latency, in the order in which they come.
type Stages struct {
	Parts []Stage `json:"parts"`
	// Sum is the sum of the means of the parts, to be held against Whole, the mean of
	// the latency that they are parts of.
	Sum   float64 `json:"sum_ns"`
	Whole float64 `json:"whole_ns"`
	// Cost is what the readings of the clock for the split took, of Whole.
	Cost float64 `json:"cost_ns"`
}

// Stage is one part of a latency.
type Stage struct {
	Name  string  `json:"name"`                     // post, queue, arm, wake, poll, dispatch
	Time  Summary `json:"time"`                     // of the operations that had this part
	PerOp float64 `json:"mean_per_operation_ns"`    // over all of them: these add up
	Apart bool    `json:"apart_from_sum,omitempty"` // it happens before the latency begins, and is not in Sum
}

// Wake is the economy of sleeping.
type Wake struct {
	Wakeups       uint64        `json:"wakeups"`
	PerCompletion float64       `json:"wakeups_per_completion"`
	Spins         uint64        `json:"spins"` // times the poller looked and found nothing, while it did not sleep
	CPUPerMillion float64       `json:"cpu_seconds_per_million"`
	Cost          time.Duration `json:"wake_cost_ns"`        // of one wake-up here
	Measured      bool          `json:"wake_cost_measured"`  // on this CQ, by the run; otherwise of a goroutine
	Recommended   time.Duration `json:"recommended_spin_ns"` // break-even of spinning and sleeping
}

// Interval is a stretch of the measured part of a run.
type Interval struct {
	End        int64   `json:"end_ns"` // since the measurement began
	Operations uint64  `json:"operations"`
	Rate       float64 `json:"per_second"`
	Offered    float64 `json:"offered_per_second,omitempty"`
	LagMax     int64   `json:"lag_max_ns,omitempty"`
	P50        int64   `json:"p50_ns,omitempty"` // of the service time
	P99        int64   `json:"p99_ns,omitempty"`
	P999       int64   `json:"p999_ns,omitempty"`
	Max        int64   `json:"max_ns,omitempty"`
	RespP99    int64   `json:"resp_p99_ns,omitempty"`
	RespMax    int64   `json:"resp_max_ns,omitempty"`
	CPU        float64 `json:"cpu_percent,omitempty"`
	Wakeups    uint64  `json:"wakeups,omitempty"`
}

// Connection is what became of the connection between two nodes. A connection
// that breaks is no violation: what was accepted before comes back, as flushed
// if need be. But the run was not completed.
type Connection struct {
	Established  uint64 `json:"established"` // events of the engine
	Broken       uint64 `json:"broken"`
	Disconnected uint64 `json:"disconnected"`
	Sent         uint64 `json:"sent"`     // messages posted
	Received     uint64 `json:"received"` // messages, each checked for its number
	Failed       uint64 `json:"failed"`   // requests that failed otherwise than by being flushed
	Lost         string `json:"lost"`     // why the peer is taken for lost; "": it is not
}

// Results are the measurements, warm-up excluded.
type Results struct {
	Operations uint64  `json:"operations"` // round trips, messages or events
	Elapsed    int64   `json:"elapsed_ns"`
	Rate       float64 `json:"per_second"`
	PerOp      float64 `json:"ns_per_operation"`

	// Latency is the service time: from when a request was made. Response is
	// from when it was to be made, and is given where the loop is open.
	Latency  *Summary `json:"latency,omitempty"`
	Response *Summary `json:"response,omitempty"`

	// Of the whole run, warm-up included.
	EventsPerUpcall float64 `json:"events_per_upcall"`
	CPU             float64 `json:"cpu_percent"` // of one CPU; 0: unknown here
	Mallocs         uint64  `json:"mallocs"`     // heap objects, of the whole process
	GCs             uint32  `json:"gcs"`
}

// CQCounts are what the CQ did, as seen from outside the engine: counted around the
// CQ. Between two nodes Completions are the engine's.
type CQCounts struct {
	Polls       uint64 `json:"polls"` // 0: not counted
	EmptyPolls  uint64 `json:"empty_polls"`
	Vain        uint64 `json:"vain_looks"` // looks without a poll that found nothing
	Completions uint64 `json:"completions"`
	Overruns    uint64 `json:"overruns"` // completions the CQ dropped
	Stalls      uint64 `json:"stalls"`   // mock: times the device found the CQ full
}
