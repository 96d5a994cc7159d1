package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench"
)

// profiles are the files that tell where a run's time went; "" is none.
type profiles struct {
	cpu, mem, mutex, block, goroutine, trace string

	server profileServer
	flight flight

	stops []func() error
}

// mutexFraction: one of so many contention events is sampled. Contention is rare
// here, so each is.
const mutexFraction = 1

// blockRate is the blocked time for which one sample is taken, in ns. A poller that
// sleeps blocks for microseconds, so it is far below that.
const blockRate = 1000

func (p *profiles) flags(f *pflag.FlagSet) {
	f.Var(text{&p.cpu, "file"}, "cpuprofile", "write a CPU profile to this file")
	f.Var(text{&p.mem, "file"}, "memprofile", "write an allocation profile to this file")
	f.Var(text{&p.mutex, "file"}, "mutexprofile", "write a profile of contended locks to this file")
	f.Var(text{&p.block, "file"}, "blockprofile", "write a profile of where goroutines waited to this file")
	f.Var(text{&p.goroutine, "file"}, "goroutineprofile", "write a profile of all goroutines, as they are early in the run, to this file")
	f.Var(text{&p.trace, "file"}, "trace", "write an execution trace to this file (megabytes a second)")
	f.Var(listenAddr{&p.server.addr}, "pprof-addr", "serve profiles there over HTTP while the run lasts (:6060 means localhost:6060)")
}

// profileFlags are those of a run that make a profile.
var profileFlags = []string{"cpuprofile", "memprofile", "mutexprofile", "blockprofile", "goroutineprofile", "trace"}

// begin is how a profile is begun; end writes it.
type begin func(f *os.File) (end func() error, err error)

// start makes all files: one that cannot be made is known before the run. w is told of
// a breach, messages go to stderr.
func (p *profiles) start(w *bench.Watch, stderr io.Writer) error {
	err := p.server.start(stderr)
	if err != nil {
		return err
	}
	p.stops = append(p.stops, p.server.stop)
	if err := p.flight.start(w, stderr); err != nil {
		return errors.Join(err, p.stop())
	}
	p.stops = append(p.stops, p.flight.stop)
	for _, x := range []struct {
		flag, name string
		begin      begin
	}{
		{"memprofile", p.mem, heapProfile},
		{"mutexprofile", p.mutex, mutexProfile},
		{"blockprofile", p.block, blockProfile},
		{"goroutineprofile", p.goroutine, goroutineProfile},
		{"trace", p.trace, func(f *os.File) (func() error, error) {
			return func() error { trace.Stop(); return nil }, trace.Start(f)
		}},
		{"cpuprofile", p.cpu, func(f *os.File) (func() error, error) {
			return func() error { pprof.StopCPUProfile(); return nil }, pprof.StartCPUProfile(f)
		}},
	} {
		if x.name == "" {
			continue
		}
		f, err := os.Create(x.name)
		if err != nil {
			return errors.Join(fmt.Errorf("--%s: %w", x.flag, err), p.stop())
		}
		end, err := x.begin(f)
		if err != nil {
			return errors.Join(fmt.Errorf("--%s: %w", x.flag, err), f.Close(), p.stop())
		}
		p.stops = append(p.stops, func() error {
			if err := errors.Join(end(), f.Close()); err != nil {
				return fmt.Errorf("--%s: %w", x.flag, err)
			}
			return nil
		})
	}
	return nil
}

// repetition labels all that belongs to the ith repetition, from 0, in profiles.
func repetition(ctx context.Context, i int) context.Context {
	return pprof.WithLabels(ctx, pprof.Labels("rep", strconv.Itoa(i+1)))
}

// messages is where what is no result and no error goes.
func (o *options) messages(cmd *cobra.Command) io.Writer {
	if o.quiet {
		return io.Discard
	}
	return cmd.ErrOrStderr()
}

// stop ends them, the last one that was begun first.
func (p *profiles) stop() error {
	var errs []error
	for len(p.stops) > 0 {
		last := len(p.stops) - 1
		errs = append(errs, p.stops[last]())
		p.stops = p.stops[:last]
	}
	return errors.Join(errs...)
}

func heapProfile(f *os.File) (func() error, error) {
	runtime.GC() // brings the profile up to date
	d, err := newDelta("allocs")
	return func() error {
		runtime.GC()
		return d.write(f)
	}, err
}

func mutexProfile(f *os.File) (func() error, error) {
	d, err := newDelta("mutex")
	before := runtime.SetMutexProfileFraction(mutexFraction)
	return func() error {
		runtime.SetMutexProfileFraction(before)
		return d.write(f)
	}, err
}

func blockProfile(f *os.File) (func() error, error) {
	d, err := newDelta("block")
	runtime.SetBlockProfileRate(blockRate)
	return func() error {
		runtime.SetBlockProfileRate(0)
		return d.write(f)
	}, err
}

// Goroutines are there only while the run lasts: they are looked at when there are more
// than ever, and now and then while there are as many, for a while.
const (
	goroutinesFor   = 400 * time.Millisecond
	goroutinesEvery = 20 * time.Millisecond
)

func goroutineProfile(f *os.File) (func() error, error) {
	if err := look(f); err != nil { // before the other goroutine: both write to f
		return nil, err
	}
	over, done := make(chan struct{}), make(chan error)
	go func() {
		var err error
		begun, last, most := time.Now(), time.Time{}, 0
		for time.Since(begun) < goroutinesFor && err == nil {
			select {
			case <-over:
				done <- err
				return
			case <-time.After(time.Millisecond / 2):
			}
			if n := runtime.NumGoroutine(); n > most || n == most && time.Since(last) > goroutinesEvery {
				most, last, err = n, time.Now(), look(f)
			}
		}
		<-over
		done <- err
	}()
	return func() error { close(over); return <-done }, nil
}

// look writes the goroutines of now over what f had.
func look(f *os.File) error {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	return pprof.Lookup("goroutine").WriteTo(f, 0)
}
