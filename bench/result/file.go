// Package result stores what evdbench has measured: one versioned JSON
// document with every repetition, the settings to repeat it with, and the
// environment. It is what report, plot and compare read.
//
// The package neither prints nor exits.
package result

import (
	"time"

	"github.com/evdengine/evd/bench"
)

// Schema is the version of the JSON form of a File. Files of another version are
// refused.
const Schema = 2

// File is a measurement: one or more repetitions of the same run.
//
// Concurrency: a plain value; one goroutine at a time, or only readers.
type File struct {
	// Name is the file that it was loaded from; it is not stored.
	Name string `json:"-"`

	Schema  int       `json:"schema"`
	Command string    `json:"command"` // lat, bw, wake, jitter, sweep, ..
	Version string    `json:"version"` // of the program
	Start   time.Time `json:"start"`

	// Settings are evdbench's flags that were not left at their defaults, as they
	// would be given: a File is also a configuration.
	Settings map[string]string `json:"settings"`

	// Tags are the user's own labels.
	Tags map[string]string `json:"tags,omitempty"`

	// Reps are the repetitions, in order.
	Reps []*bench.Report `json:"reps"`

	// Cells are the parts of a sweep, each with its own settings.
	Cells []*File `json:"cells,omitempty"`

	// Nodes are the parts of the ranks of a run of many, repetition by repetition; the
	// report of each repetition is of all of them.
	Nodes []Node `json:"nodes,omitempty"`

	Warnings []string `json:"warnings"`
}

// OK tells whether there are repetitions, or cells, and all of them are valid.
func (f *File) OK() bool {
	for _, r := range f.Reps {
		if !r.OK() {
			return false
		}
	}
	for _, c := range f.Cells {
		if !c.OK() {
			return false
		}
	}
	return len(f.Reps)+len(f.Cells) > 0
}
