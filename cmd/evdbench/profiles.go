package main

import (
	"errors"
	"os"
	"runtime"
	"runtime/pprof"
)

// profiles are the pprof files of a run.
type profiles struct {
	cpu, mem string
	file     *os.File
}

func (p *profiles) start() (err error) {
	if p.cpu == "" {
		return nil
	}
	if p.file, err = os.Create(p.cpu); err != nil {
		return err
	}
	return pprof.StartCPUProfile(p.file)
}

func (p *profiles) stop() error {
	var errs []error
	if p.file != nil {
		pprof.StopCPUProfile()
		errs = append(errs, p.file.Close())
	}
	if p.mem != "" {
		errs = append(errs, p.writeAllocs())
	}
	return errors.Join(errs...)
}

func (p *profiles) writeAllocs() error {
	f, err := os.Create(p.mem)
	if err != nil {
		return err
	}
	runtime.GC() // brings the profile up to date
	return errors.Join(pprof.Lookup("allocs").WriteTo(f, 0), f.Close())
}
