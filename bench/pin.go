package bench

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/internal/hostinfo"
	"github.com/evdengine/evd/internal/param"
)

// Pin says on which CPUs the parts of a run are. Empty: wherever the scheduler puts
// them.
type Pin struct {
	Poller   []int // of the pollers of each EVD, in turn: all CQs of an EVD are polled on one
	Producer []int // of each goroutine that makes requests or posts events, in turn
	Other    []int // of all other threads of the process
}

// maxCPU bounds the numbers of CPUs: Linux has 8192 at most.
const maxCPU = 8191

// ParseCPUs reads a list of CPUs, such as 2 or 0-3,6, in its order. Each may be in
// it once.
func ParseCPUs(s string) (cpus []int, ok bool) {
	seen := map[int]bool{}
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a, err := strconv.ParseUint(first, 10, 16)
		b := a
		if err == nil && isRange {
			b, err = strconv.ParseUint(last, 10, 16)
		}
		if err != nil || b < a || b > maxCPU {
			return nil, false
		}
		for n := int(a); n <= int(b); n++ {
			if seen[n] {
				return nil, false
			}
			seen[n] = true
			cpus = append(cpus, n)
		}
	}
	return cpus, true
}

// ParsePin reads what Config.Pin says: parts of the form who=CPUs, such as
// "poller=2,producer=4-5,other=0-1". Errors match engine.ErrInvalid.
func ParsePin(s string) (p Pin, err error) {
	bad := func() (Pin, error) {
		return Pin{}, param.Invalid("bench: ParsePin", "pin", strconv.Quote(s),
			"poller=CPUs, producer=CPUs and other=CPUs, each once, such as poller=2,producer=4-5,other=0-1")
	}
	if s == "" {
		return Pin{}, nil
	}
	// A comma is followed by a part, or goes on with the list of the one before.
	var parts []string
	for word := range strings.SplitSeq(s, ",") {
		if strings.Contains(word, "=") || len(parts) == 0 {
			parts = append(parts, word)
		} else {
			parts[len(parts)-1] += "," + word
		}
	}
	for _, part := range parts {
		who, list, _ := strings.Cut(part, "=")
		to := map[string]*[]int{"poller": &p.Poller, "producer": &p.Producer, "other": &p.Other}[who]
		cpus, ok := ParseCPUs(list)
		if to == nil || *to != nil || !ok {
			return bad()
		}
		*to = cpus
	}
	return p, nil
}

// String is the reverse of ParsePin.
func (p Pin) String() string {
	var parts []string
	for _, x := range []struct {
		who  string
		cpus []int
	}{{"poller", p.Poller}, {"producer", p.Producer}, {"other", p.Other}} {
		if len(x.cpus) > 0 {
			parts = append(parts, x.who+"="+hostinfo.Ranges(x.cpus))
		}
	}
	return strings.Join(parts, ",")
}

func (v *validator) pin(c Config) {
	pin, err := ParsePin(c.Pin)
	switch {
	case err != nil:
		v.errs = append(v.errs, err)
	case c.OneWay && len(pin.Poller) > 0:
		v.bad("pin", c.Pin, "without poller with oneway: there is none")
	case len(pin.Poller) > max(c.EVDs, 1):
		v.bad("pin", c.Pin, "one CPU of pollers for each EVD at most: all CQs of an EVD are polled on one")
	}
}

// pollerCPU is that of the first EVD's pollers.
func (c Config) pollerCPU() engine.CPU {
	pin, _ := ParsePin(c.Pin) // was validated
	return pin.pollerCPU(0)
}

// pins are the pinning of a session.
type pins struct {
	Pin
	producers int // pinned so far. Owner: who starts the run
}

// pollerCPU is that of the pollers of EVD number i.
func (p *Pin) pollerCPU(i int) engine.CPU {
	if len(p.Poller) == 0 {
		return engine.AnyCPU
	}
	return engine.OnCPU(p.Poller[i%len(p.Poller)])
}

// check refuses CPUs that this process may not use.
func (p *Pin) check() error {
	for who, cpus := range map[string][]int{"poller": p.Poller, "producer": p.Producer, "other": p.Other} {
		for _, n := range cpus {
			err := usableCPU(n)
			if errors.Is(err, errNoCPU) {
				return param.Invalid("bench: Run", "pin", fmt.Sprintf("%s=%d", who, n), "CPUs that this process may run on")
			}
			if err != nil {
				return fmt.Errorf("pin %s: %w", who, err)
			}
		}
	}
	return nil
}

// usableCPU tells whether this process may run on a CPU, by doing so.
func usableCPU(n int) (err error) {
	done := make(chan struct{})
	go func() { // of its own: see pinThread
		defer close(done)
		var restore func()
		if restore, err = pinThread(n); err == nil {
			restore()
		}
	}()
	<-done
	return err
}

// pinned is a producer's f on the producer's CPU. Only before the run starts, or by
// who starts it.
func (s *session) pinned(f func()) func() {
	if len(s.pins.Producer) == 0 {
		return f
	}
	cpu := s.pins.Producer[s.pins.producers%len(s.pins.Producer)]
	s.pins.producers++
	return func() {
		restore, err := pinThread(cpu)
		if err != nil {
			s.fault("a producer cannot be pinned to CPU %d: %v", cpu, err)
		} else {
			defer restore()
		}
		f()
	}
}

// warnPins says which pins had nothing to pin.
func (s *session) warnPins(r *Report) {
	if len(s.pins.Producer) > 0 && s.pins.producers == 0 {
		r.Warnings = append(r.Warnings, "no producer was pinned: in this run the poller makes the requests, from its upcalls")
	}
}
