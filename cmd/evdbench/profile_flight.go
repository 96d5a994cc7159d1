package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/trace"
	"sync/atomic"
	"time"

	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench"
)

// flight keeps an execution trace of the last moments of a run, and writes it when a
// latency is above the limit for the first time. It costs what a trace costs.
type flight struct {
	limit time.Duration // 0: off
	name  string

	rec   *trace.FlightRecorder
	f     *os.File
	begun time.Time

	first  atomic.Pointer[breach] // Writer: who records. Readers: write, note
	told   chan struct{}          // closed with it
	over   chan struct{}          // closed when the run is over
	done   chan error             // what came of writing
	stderr io.Writer
	said   bool
}

// breach is a latency above the limit.
type breach struct {
	took time.Duration
	at   time.Time
}

// flightAge is the least that is kept: the runtime keeps its trace in pieces of up to a
// second, and gives them out as a whole.
const flightAge = 20 * time.Millisecond

func (x *flight) flags(f *pflag.FlagSet) {
	f.Var(positive{&x.limit, ""}, "trace-breach", "with --flight: the latency above which the flight recorder writes what it has, such as 50us")
	f.Var(text{&x.name, "file"}, "flight", "with --trace-breach: keep an execution trace of the last moments, and write it to this file at the first latency above the limit")
}

// check refuses half of what is needed.
func (x *flight) check() error {
	switch {
	case x.limit != 0 && x.name == "":
		return fmt.Errorf("--trace-breach = %v: must be left out without --flight, the file to write", x.limit)
	case x.limit == 0 && x.name != "":
		return fmt.Errorf("--flight = %s: must be left out without --trace-breach, the latency to write it at", x.name)
	}
	return nil
}

func (x *flight) start(w *bench.Watch, stderr io.Writer) (err error) {
	if x.limit == 0 {
		return nil
	}
	if x.f, err = os.Create(x.name); err != nil {
		return fmt.Errorf("--flight: %w", err)
	}
	x.rec = trace.NewFlightRecorder(trace.FlightRecorderConfig{MinAge: flightAge})
	if err := x.rec.Start(); err != nil {
		return fmt.Errorf("--flight: %w", errors.Join(err, x.f.Close(), removeFile(x.name)))
	}
	x.first.Store(nil)
	x.begun, x.stderr, x.said = time.Now(), stderr, false
	x.told, x.over, x.done = make(chan struct{}), make(chan struct{}), make(chan error, 1)
	w.Breach, w.Breached = x.limit, x.breached
	go x.write()
	return nil
}

// breached is called by who records, in each repetition, and must not keep him.
func (x *flight) breached(ns int64) {
	if x.first.CompareAndSwap(nil, &breach{time.Duration(ns), time.Now()}) {
		close(x.told)
	}
}

// write waits for the first breach and writes.
func (x *flight) write() {
	select {
	case <-x.told:
	case <-x.over:
		if x.first.Load() == nil {
			x.done <- nil
			return
		}
	}
	_, err := x.rec.WriteTo(x.f)
	x.done <- err
}

// note tells the report of the repetition in which it was of the first breach.
func (x *flight) note(r *bench.Report) {
	if b := x.first.Load(); b != nil && r != nil && !x.said {
		x.said = true
		r.Warnings = append(r.Warnings, fmt.Sprintf(
			"%v after the start a latency was %v, above %v: %s has the trace until then; writing it disturbed what came next",
			b.at.Sub(x.begun).Round(time.Microsecond), b.took, x.limit, x.name))
	}
}

// removeFile removes a file that was made for nothing, and no device: /dev/null stays.
func removeFile(name string) error {
	if st, err := os.Lstat(name); err != nil || !st.Mode().IsRegular() {
		return err
	}
	return os.Remove(name)
}

func (x *flight) stop() error {
	if x.rec == nil {
		return nil
	}
	close(x.over)
	err := <-x.done
	x.rec.Stop()
	x.rec = nil
	err = errors.Join(err, x.f.Close())
	if x.first.Load() == nil {
		err = errors.Join(err, removeFile(x.name))
		fmt.Fprintf(x.stderr, "evdbench: no latency was above %v: there is no %s\n", x.limit, x.name)
	}
	if err != nil {
		return fmt.Errorf("--flight: %w", err)
	}
	return nil
}
