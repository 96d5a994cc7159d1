package main

import (
	"errors"
	"math"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench"
)

// scenarioFlags are the flags that say what is run: engine, policy, faults.
func (o *options) scenarioFlags(f *pflag.FlagSet) {
	c := &o.cfg
	if c.Workload != bench.Lat && c.Workload != bench.BW {
		return
	}
	f.Var(choice{&c.Engine, engines}, "engine", `mock: what dispatches: evd, or what one would write without it: spinlock-flag (pollers, a queue under a spinlock and a flag that somebody delivers), mutex (a queue under a mutex, and a goroutine that waits on a condition), channel (default evd)`)
	f.Var(text{&c.Policy, "policy"}, "policy", `mock: upcall policy: single (one at a time), many or many:N (several at once, in no order), drain (each disables upcalls, dequeues until nothing is pending and enables them, as iSER does), notify (they only notify a goroutine, which dequeues) (default single)`)
	f.Var(text{&c.Handler, "handler"}, "handler", `mock: what is done with each event beside counting it: noop, or work:T, computing for T, such as work:200ns (default noop)`)
	f.Var(text{&c.Faults, "script"}, "faults", `mock: faults to inject, such as "lose=3 spurious=p0.01 error=500+100@5"; each NAME=RULE[@DETAIL], NAME lose, duplicate, delay, spurious, armerror, early, error, overrun or remove, RULE N, N+COUNT, pPROB or N+COUNT/pPROB, DETAIL the time of a delay or the status of an error (default none)`)
	f.Var(probability{&c.ErrorRate}, "error-rate", `mock: probability that a completion is an error, such as 0.01 (default 0)`)
	if c.Workload == bench.BW {
		f.Var(natural{v: &c.EVDs, least: 1}, "evds", "mock: EVDs, each with its own CQs; posters post to them in turn (default 1)")
		f.Var(natural{v: &c.CQs, least: 1}, "cqs", "mock: CQs of each EVD, each with --outstanding requests in flight (default 1)")
	}
}

var (
	engines  = []string{bench.EngineEVD, bench.EngineSpinlock, bench.EngineMutex, bench.EngineChannel}
	policies = []string{bench.PolicySingle, bench.PolicyMany, bench.PolicyDrain, bench.PolicyNotify}
)

// completeScenario completes the values of these flags.
func completeScenario(cmd *cobra.Command) {
	for name, words := range map[string][]string{"engine": engines, "policy": policies, "handler": {"noop", "work:200ns"}} {
		if cmd.Flags().Lookup(name) != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp))
		}
	}
}

// probability is above 0 and at most 1.
type probability struct{ v *float64 }

func (p probability) String() string {
	if p.v == nil || *p.v == 0 {
		return ""
	}
	return strconv.FormatFloat(*p.v, 'g', -1, 64)
}
func (p probability) Type() string { return "p" }

func (p probability) Set(s string) error {
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || v <= 0 || v > 1 {
		return errors.New("must be a number above 0 and at most 1, such as 0.01")
	}
	*p.v = v
	return nil
}
