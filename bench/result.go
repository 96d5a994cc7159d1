package bench

import (
	"encoding/json"
	"io"
	"time"

	"github.com/evdengine/evd/engine"
)

// Schema is the version of the JSON form of a Report.
const Schema = 1

// Report is all that a run says about itself.
type Report struct {
	Schema   int    `json:"schema"`
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

	Warnings []string `json:"warnings"`
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
	Operations uint64   `json:"operations"` // round trips, messages or events
	Elapsed    int64    `json:"elapsed_ns"`
	Rate       float64  `json:"per_second"`
	PerOp      float64  `json:"ns_per_operation"`
	Latency    *Summary `json:"latency,omitempty"`

	// Of the whole run, warm-up included.
	EventsPerUpcall float64 `json:"events_per_upcall"`
	CPU             float64 `json:"cpu_percent"` // of one CPU; 0: unknown here
	Mallocs         uint64  `json:"mallocs"`     // heap objects, of the whole process
	GCs             uint32  `json:"gcs"`
}

// CQCounts are what the CQ did, as seen from outside the engine where the
// workload allows: bw counts around the CQ, lat asks the mock CQ; over rxe lat
// has the engine's Polled for Completions.
type CQCounts struct {
	Polls       uint64 `json:"polls"` // 0: not counted
	EmptyPolls  uint64 `json:"empty_polls"`
	Completions uint64 `json:"completions"`
	Overruns    uint64 `json:"overruns"` // completions the CQ dropped
	Stalls      uint64 `json:"stalls"`   // mock: times the device found the CQ full
}

// JSON writes the report as one indented JSON document.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
