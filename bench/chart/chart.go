// Package chart turns results into the data of charts: which curves, over which
// axes. Packages plot and render draw them.
//
// The package neither prints nor exits.
package chart

import (
	"fmt"
	"strings"

	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/internal/param"
)

// Kinds of charts.
const (
	Percentiles = "percentiles" // the time that a share of all is not above
	Timeline    = "timeline"    // interval by interval
	Histogram   = "histogram"   // how many took how long
	CDF         = "cdf"         // the share that took no longer
	Repetitions = "repetitions" // the figures of each
	Sweep       = "sweep"       // one figure over a setting that was varied
)

// Kinds lists the kinds that New makes, the default first.
func Kinds() []string { return []string{Percentiles, Timeline, Histogram, CDF, Repetitions, Sweep} }

// Scale is how an axis is divided.
type Scale int

// Scales.
const (
	Linear Scale = iota
	Log
	Nines // 1/(1-p) on a logarithmic axis: 0 %, 90 %, 99 %, 99.9 %, ..
	Names // places 0, 1, 2, .. with names
)

// Unit is what an axis counts; it decides how its ticks are written.
type Unit int

// Units.
const (
	Plain   Unit = iota
	Nanos        // written as ns, µs, ms or s
	Seconds      // s
	Share        // 0..1, written as percents
	PerSec       // 1/s
)

// Axis is one axis of a chart.
type Axis struct {
	Label string
	Scale Scale
	Unit  Unit
	Names []string // of Names
}

// Style is how a series is drawn.
type Style int

// Styles.
const (
	Line Style = iota
	Step       // each value holds until the next
	Dots
)

// Point is one point of a series, in the units of the axes.
type Point struct{ X, Y float64 }

// Series is one curve.
type Series struct {
	Name   string
	Style  Style
	Points []Point
}

// Chart is a chart to be drawn. Each series has a point at least.
//
// Concurrency: a plain value; one goroutine at a time, or only readers.
type Chart struct {
	Kind   string
	Title  string
	X, Y   Axis
	Series []Series
}

// Options say what is drawn.
type Options struct {
	// Histogram is the name of the histogram to draw: "service", "response",
	// "stage/wake", .. "": all of service and response that there are, or, with
	// several results, the first of them.
	Histogram string

	// Metric and Over are for Sweep: the figure (see Metrics), and the setting that
	// it is drawn over. "": per_second, and the first setting that varies.
	Metric, Over string
}

// New makes a chart of that kind of the results. With several of them there is one
// curve each, named after it. Errors say what is missing, and what there is.
func New(kind string, o Options, files ...*result.File) (*Chart, error) {
	if len(files) == 0 {
		return nil, fmt.Errorf("chart: %w", errNothing)
	}
	switch kind {
	case Percentiles:
		return distributed(o, files, percentiles)
	case CDF:
		return distributed(o, files, cdf)
	case Histogram:
		return distributed(o, files, histogram)
	case Timeline:
		return timeline(files)
	case Repetitions:
		return repetitions(files)
	case Sweep:
		return sweep(o, files)
	}
	return nil, param.Invalid("chart: New", "kind", fmt.Sprintf("%q", kind), "one of "+strings.Join(Kinds(), ", "))
}

// Follows tells whether series i is the maximum of the one before it, and has its
// colour.
func (c *Chart) Follows(i int) bool {
	return i > 0 && c.Series[i].Name == c.Series[i-1].Name+" max"
}
