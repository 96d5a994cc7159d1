package bench

import (
	"context"
	"runtime"
	"runtime/pprof"
	"strings"

	"github.com/evdengine/evd/engine"
)

// Goroutines of a run have pprof labels, so that a profile can be taken apart with
// -tagfocus: evd is what a goroutine is for (poller, worker, producer), name whose it
// is, phase where the run stood (warm-up, measure, stop), and whatever labels the
// context that was given to Run has. They are set when a goroutine begins and when the
// phase changes, never for an event.

// names of the phases, as in Progress.
var phaseNames = [...]string{warming: "warm-up", measuring: "measure", stopping: "stop"}

// tag is the labels of one goroutine, which owns it.
type tag struct {
	ctx        context.Context
	role, name string
	at         phase // of the labels that are set
}

// tag labels the calling goroutine.
func (s *session) tag(role, name string) *tag {
	t := &tag{ctx: s.ctx, role: role, name: name}
	if t.ctx == nil {
		t.ctx = context.Background()
	}
	t.set(s.phase.load())
	return t
}

func (t *tag) set(ph phase) {
	t.at = ph
	pprof.SetGoroutineLabels(pprof.WithLabels(t.ctx, pprof.Labels("evd", t.role, "name", t.name, "phase", phaseNames[ph])))
}

// see notes the phase that a goroutine goes by. A nil tag does nothing.
func (t *tag) see(ph phase) {
	if t != nil && t.at != ph {
		t.set(ph)
	}
}

// goProduce runs fn on a goroutine of its own, as a producer of that name.
func (s *session) goProduce(name string, fn func(t *tag)) {
	s.posters.Go(s.pinned(func() { fn(s.tag("producer", name)) }))
}

// goWork runs fn on a goroutine of its own that deals with events beside the engine's
// workers: it makes none, and is not on a producer's CPU.
func (s *session) goWork(name string, fn func(t *tag)) {
	s.posters.Go(func() { fn(s.tag("worker", name)) })
}

// upcallTags labels the goroutines that run upcalls, which are the engine's and have
// labels, but know of no phase.
//
// Concurrency: one goroutine at a time, the one that runs the upcall.
type upcallTags struct {
	ctx   context.Context // nil: off
	phase *phaseWord
	name  string

	at   phase
	last *engine.Event    // the first place of the batch: each goroutine has one of its own
	seen [8]*engine.Event // those that were labelled in this phase
	n    int
}

// see is called with each batch.
func (t *upcallTags) see(evs []engine.Event) {
	if t.ctx == nil || len(evs) == 0 {
		return
	}
	if ph := t.phase.load(); ph != t.at || &evs[0] != t.last {
		t.look(&evs[0], ph)
	}
}

// look labels the goroutine unless it has been. After a few goroutines it stops: the
// rest are posters, which have labels of their own, and batches that come and go.
func (t *upcallTags) look(batch *engine.Event, ph phase) {
	if ph != t.at {
		t.at, t.n = ph, 0
	}
	t.last = batch
	for _, b := range t.seen[:t.n] {
		if b == batch {
			return
		}
	}
	if t.n == len(t.seen) {
		return
	}
	t.seen[t.n] = batch
	t.n++
	if role, name := engineRole(t.name); role != "" {
		(&tag{ctx: t.ctx, role: role, name: name}).set(ph)
	}
}

// engineRole is what the engine has the calling goroutine for, by its stack, and whose it
// is: name, the EVD's, or the engine's. "": it is not the engine's.
func engineRole(evd string) (role, name string) {
	var pcs [64]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	for {
		f, more := frames.Next()
		if strings.HasPrefix(f.Function, engineFrames) {
			switch strings.TrimPrefix(f.Function, engineFrames) {
			case "(*poller).loop":
				return "poller", evd
			case "(*Engine).work":
				return "worker", "engine"
			}
		}
		if !more {
			return "", ""
		}
	}
}

const engineFrames = "github.com/evdengine/evd/engine."
