package turns

import (
	"time"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/stats"
)

// Protocol is the version of what parent and child say to each other: one JSON value a
// line. A child that speaks another one, or none, is refused.
const Protocol = 1

// Variable of the environment is set in a child: what it was started as takes turns.
const Variable = "EVD_IN_TURNS"

// Hello is the first line of a child.
type Hello struct {
	Protocol int          `json:"evdbench_turns"`
	Version  string       `json:"version"`
	Config   bench.Config `json:"config"`
	Env      bench.Env    `json:"env"`
}

// Order tells a child to measure.
type Order struct {
	Measure time.Duration `json:"measure_ns"`
	Warmup  time.Duration `json:"warmup_ns"`
}

// Reply is what a child has measured. One that can not run ends, as it would by itself.
type Reply struct {
	Metrics []stats.Metric `json:"metrics,omitempty"`

	// Violations: an event was lost, and so on. Invalid: the figures must not be used.
	Violations []string `json:"violations,omitempty"`
	Invalid    []string `json:"invalid,omitempty"`

	Interrupted bool `json:"interrupted,omitempty"`
}
