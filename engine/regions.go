package engine

import (
	"context"
	"runtime/pprof"
	"runtime/trace"
)

// startRegion begins a region of runtime/trace and logs the EVD's name in it.
func startRegion(what, name string) *trace.Region {
	r := trace.StartRegion(context.Background(), what)
	if trace.IsEnabled() {
		trace.Log(context.Background(), "evd", name)
	}
	return r
}

// labelled notes the labels of the goroutine that r belongs to, so that they can
// be put back after an upcall.
func (r *runner) labelled(role, name string) {
	r.labels, r.name = pprof.WithLabels(context.Background(), labels(role, name)), name
}

// tracedCall is an upcall of an EVD for which something was asked.
func (d *EVD) tracedCall(r *runner, evs []Event) {
	if d.e.tracing&(TraceEVD|TraceCompletion) != 0 {
		d.traceUpcall(evs)
	}
	if d.e.tracing&traceRegions == 0 {
		d.call(r, evs)
		return
	}
	defer startRegion("evd.upcall", d.name).End() // also if the upcall ends the goroutine
	if r.labels != nil {
		// Not on a poster's goroutine, whose own labels nobody can ask for.
		pprof.SetGoroutineLabels(pprof.WithLabels(r.labels, labels("upcall", d.name)))
		defer pprof.SetGoroutineLabels(r.labels)
	}
	d.call(r, evs)
}
