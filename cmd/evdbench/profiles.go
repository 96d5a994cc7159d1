package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"

	"github.com/spf13/pflag"
)

// profiles are the files that tell where a run's time went; "" is none.
type profiles struct {
	cpu, mem, mutex, block, trace string

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
	f.Var(text{&p.trace, "file"}, "trace", "write an execution trace to this file (megabytes a second)")
}

// start makes all files: one that cannot be made is known before the run.
func (p *profiles) start() error {
	for _, x := range []struct {
		flag, name string
		begin      func(*os.File) (end func() error, err error)
	}{
		{"memprofile", p.mem, func(f *os.File) (func() error, error) {
			return func() error {
				runtime.GC() // brings the profile up to date
				return pprof.Lookup("allocs").WriteTo(f, 0)
			}, nil
		}},
		{"mutexprofile", p.mutex, func(f *os.File) (func() error, error) {
			before := runtime.SetMutexProfileFraction(mutexFraction)
			return func() error {
				runtime.SetMutexProfileFraction(before)
				return pprof.Lookup("mutex").WriteTo(f, 0)
			}, nil
		}},
		{"blockprofile", p.block, func(f *os.File) (func() error, error) {
			runtime.SetBlockProfileRate(blockRate)
			return func() error {
				runtime.SetBlockProfileRate(0)
				return pprof.Lookup("block").WriteTo(f, 0)
			}, nil
		}},
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
		p.stops = append(p.stops, func() error { return errors.Join(end(), f.Close()) })
	}
	return nil
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
