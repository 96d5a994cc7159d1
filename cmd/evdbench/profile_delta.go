package main

import (
	"bytes"
	"io"
	"runtime/pprof"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// delta writes what a profile of the runtime has gained: those of allocations, locks and
// waiting count from the start of the process, and the run is not all of that.
type delta struct {
	name   string
	before *profile.Profile
}

func newDelta(name string) (*delta, error) {
	p, err := lookupProfile(name)
	return &delta{name, p}, err
}

func (d *delta) write(w io.Writer) error {
	after, err := lookupProfile(d.name)
	if err != nil {
		return err
	}
	d.before.Scale(-1)
	p, err := profile.Merge([]*profile.Profile{d.before, after})
	if err != nil {
		return err
	}
	p.Sample = slices.DeleteFunc(p.Sample, ofLookup)
	p.TimeNanos, p.DurationNanos = after.TimeNanos, after.TimeNanos-d.before.TimeNanos
	return p.Write(w)
}

// ofLookup tells whether lookupProfile itself is what a sample is of.
func ofLookup(s *profile.Sample) bool {
	for _, l := range s.Location {
		for _, line := range l.Line {
			if line.Function != nil && strings.HasSuffix(line.Function.Name, lookupName) {
				return true
			}
		}
	}
	return false
}

const lookupName = ".lookupProfile"

func lookupProfile(name string) (*profile.Profile, error) {
	var b bytes.Buffer
	if err := pprof.Lookup(name).WriteTo(&b, 0); err != nil {
		return nil, err
	}
	return profile.Parse(&b)
}
