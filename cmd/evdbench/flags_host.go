package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/tune"
	"github.com/evdengine/evd/engine"
)

// errHost marks errors about the host that no other CQ would mend.
var errHost = errors.New("this host")

// hostFlags are the flags that say what the host is made to do.
func (o *options) hostFlags(f *pflag.FlagSet) {
	f.Var(parsed[bench.Pin]{&o.cfg.Pin, nil, bench.ParsePin, "who=cpus,.."}, "pin",
		"CPUs of the pollers (one for each EVD), of the goroutines that make requests, and of all other threads, such as poller=2,producer=4-5,other=0-1 (default anywhere)")
	f.Var(parsed[tune.GC]{nil, &o.host.GC, tune.ParseGC, "setting"}, "gc",
		"garbage collector in the run: off or percent=N, limit=SIZE, such as off,limit=2GiB (default as GOGC and GOMEMLIMIT say)")
	f.Var(dmaLatency{&o.host}, "cpu-dma-latency", "longest time an idle CPU may take to wake up; 0 keeps all CPUs awake; root (default as the system does)")
	f.BoolVar(&o.host.Memory, "lock-memory", false, "keep used memory from being swapped out; root, or ulimit -l unlimited")
	f.Var(parsed[tune.Prio]{nil, &o.host.Prio, tune.ParsePrio, "policy"}, "prio",
		"real-time priority of all threads, such as fifo:10 or rr:1; root, or ulimit -r (default none)")
}

// tuneHost makes the host hold still until restore is called.
func (o *options) tuneHost() (restore func(), err error) {
	restore, err = o.host.Apply()
	return restore, hostFailed(err)
}

// hostFailed is an error of tune, which begins with the name of a flag.
func hostFailed(err error) error {
	if err == nil {
		return nil
	}
	return &statusError{exitUnavailable, fmt.Errorf("--%w%w", err, hostError{})}
}

// hostError adds errHost to an error, and nothing to its text.
type hostError struct{}

func (hostError) Error() string   { return "" }
func (hostError) Is(t error) bool { return t == errHost }

// parsed is a flag whose text is read by parse, and kept as text or as a value.
type parsed[T fmt.Stringer] struct {
	text  *string
	value *T
	parse func(string) (T, error)
	kind  string
}

func (p parsed[T]) String() string {
	switch {
	case p.text != nil:
		return *p.text
	case p.value != nil:
		return (*p.value).String()
	}
	return ""
}
func (p parsed[T]) Type() string { return p.kind }

func (p parsed[T]) Set(s string) error {
	v, err := p.parse(s)
	var pe *engine.ParamError
	switch {
	case errors.As(err, &pe):
		return errors.New("must be " + pe.Allowed)
	case err != nil:
		return err
	}
	if p.text != nil {
		*p.text = s
	}
	if p.value != nil {
		*p.value = v
	}
	return nil
}

// maxDMALatency is far beyond any idle state.
const maxDMALatency = time.Second

// dmaLatency is a time of whole microseconds, 0 included.
type dmaLatency struct{ s *tune.Settings }

func (l dmaLatency) String() string {
	if l.s == nil || !l.s.LimitDMA {
		return ""
	}
	return l.s.DMALatency.String()
}
func (l dmaLatency) Type() string { return "time" }

func (l dmaLatency) Set(s string) error {
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 || d > maxDMALatency || d%time.Microsecond != 0 {
		return errors.New("must be 0 or whole microseconds up to 1s, such as 10us")
	}
	l.s.DMALatency, l.s.LimitDMA = d, true
	return nil
}
