package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
)

// profiles are the pprof files of a run.
type profiles struct {
	cpu, mem         string
	cpuFile, memFile *os.File
}

// start makes both files: one that cannot be made is known before the run.
func (p *profiles) start() (err error) {
	if p.mem != "" {
		if p.memFile, err = os.Create(p.mem); err != nil {
			return fmt.Errorf("--memprofile: %w", err)
		}
	}
	if p.cpu != "" {
		if p.cpuFile, err = os.Create(p.cpu); err != nil {
			return fmt.Errorf("--cpuprofile: %w", err)
		}
		return pprof.StartCPUProfile(p.cpuFile)
	}
	return nil
}

func (p *profiles) stop() error {
	var errs []error
	if p.cpuFile != nil {
		pprof.StopCPUProfile()
		errs = append(errs, p.cpuFile.Close())
	}
	if p.memFile != nil {
		runtime.GC() // brings the profile up to date
		errs = append(errs, pprof.Lookup("allocs").WriteTo(p.memFile, 0), p.memFile.Close())
	}
	return errors.Join(errs...)
}
