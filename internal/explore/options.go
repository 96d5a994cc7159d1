package explore

import (
	"fmt"
	"time"
)

// Values of Options.Preemptions besides the positive numbers.
const (
	// NoPreemptions explores only switches at blocking, spinning and ending.
	NoPreemptions = -1
	// Unbounded explores every interleaving.
	Unbounded = -2
)

// Defaults of Options.
const (
	DefaultPreemptions   = 2
	DefaultMaxExecutions = 2_000_000
	DefaultSamples       = 10_000 // MaxExecutions of PCT and Random
	DefaultDepth         = 3
	DefaultMaxSteps      = 10_000
	DefaultTimeouts      = 1
)

// Options says what to explore. The zero value is a depth-first search with
// at most DefaultPreemptions preemptions.
type Options struct {
	// Name is the scenario's, for messages and for picking it with
	// EVD_EXPLORE_REPLAY=name@string. Test and MustFail default it to the
	// name of the test.
	Name string

	// Preemptions bounds the switches away from a thread that could have gone
	// on, per execution. 0: DefaultPreemptions. NoPreemptions, Unbounded:
	// see there. The search runs bound 0, then 1, and so on, so that the
	// first failure is one with the fewest preemptions.
	Preemptions int

	// MaxExecutions ends the search, 0: DefaultMaxExecutions, for PCT and
	// Random DefaultSamples. A search ended by it is not Complete.
	MaxExecutions int

	// MaxTime ends the search likewise, 0: no limit.
	MaxTime time.Duration

	// AllowIncomplete makes Test accept a search that MaxExecutions or
	// MaxTime ended. PCT and Random are never Complete and need no leave.
	AllowIncomplete bool

	// MaxSteps is the most operations of one execution; more is a livelock.
	// 0: DefaultMaxSteps.
	MaxSteps int

	// Timeouts is how often a thread's timed waits may time out in an
	// execution while other threads could run. Beyond that they time out only
	// when nothing else can happen. 0: DefaultTimeouts, negative: none.
	Timeouts int

	// SpinRounds is how often each spinning or timed-out thread gets another
	// turn without any write in between, when nobody else can run, before
	// that counts as a livelock, or for daemons as being quiet. 0: one. Raise
	// it for loops that count their turns, like a watchdog that acts when it
	// has seen the same twice. Timed waits of threads that are not daemons
	// time out as often as it takes, up to MaxSteps.
	SpinRounds int

	// Merge has DFS follow a state once, not by every interleaving that leads
	// to it: several times fewer executions, and a multiple of that with a
	// greater bound. A state is what each thread has done and seen, as far as
	// it was announced. So plain memory of the scenario that several threads
	// use must follow from that. Sums and flags do: whatever the order in which
	// threads count up or set them, the outcome is one. A failure that depends
	// on them is found, and so is a wait by Block. A log, the last writer, or
	// a copy that a thread takes to use it later do not: their order is part
	// of the state only with a [Note] at each access. Nor does what a Check
	// knows of real time, as in histories.
	Merge bool

	// Replay runs one execution by the replay string of a Failure, instead of
	// a search.
	Replay string

	// Search is how executions are chosen, DFS if zero.
	Search Search

	// Depth is that of PCT: how many ordering constraints the bugs it looks
	// for have. 0: DefaultDepth.
	Depth int

	// Seed of PCT and Random.
	Seed uint64
}

// Search is a way to choose executions.
type Search uint8

// The searches.
const (
	// DFS explores every interleaving with at most Preemptions preemptions.
	DFS Search = iota

	// DPOR explores one of each class of interleavings that differ only in
	// the order of operations on different objects, without a bound. Checks
	// must not depend on that order: histories with real-time order need DFS.
	// Plain memory that threads share without declaring it is not seen.
	DPOR

	// PCT runs MaxExecutions executions with random priorities, see Depth.
	PCT

	// Random runs MaxExecutions executions with random decisions.
	// Preemptions is then unbounded unless positive or NoPreemptions.
	Random

	searches
)

var searchNames = [...]string{DFS: "dfs", DPOR: "dpor", PCT: "pct", Random: "random"}

// String returns the name of the search.
func (s Search) String() string {
	if s < searches {
		return searchNames[s]
	}
	return fmt.Sprintf("Search(%d)", uint8(s))
}

// Validate returns an error that names the first bad field.
func (o Options) Validate() error {
	bad := func(name string, v int, allowed string) error {
		return fmt.Errorf("explore: bad Options.%s %d: allowed are %s", name, v, allowed)
	}
	switch {
	case o.Preemptions < Unbounded || o.Preemptions > 1000:
		return bad("Preemptions", o.Preemptions, "Unbounded (-2), NoPreemptions (-1), 0 for the default, and 1 to 1000")
	case o.MaxExecutions < 0:
		return bad("MaxExecutions", o.MaxExecutions, "0 for the default and positive numbers")
	case o.MaxSteps < 0:
		return bad("MaxSteps", o.MaxSteps, "0 for the default and positive numbers")
	case o.SpinRounds < 0:
		return bad("SpinRounds", o.SpinRounds, "0 for the default and positive numbers")
	case o.Search >= searches:
		return bad("Search", int(o.Search), "DFS, DPOR, PCT and Random")
	case o.Depth < 0 || o.Depth > 100:
		return bad("Depth", o.Depth, "0 for the default, and 1 to 100")
	case o.MaxTime < 0:
		return fmt.Errorf("explore: bad Options.MaxTime %v: allowed are 0 for no limit and positive durations", o.MaxTime)
	}
	return nil
}

// sampling tells whether the search has no end of its own.
func (o Options) sampling() bool { return o.Search == PCT || o.Search == Random }

// withDefaults replaces zeros by their documented meaning.
func (o Options) withDefaults() Options {
	if o.Preemptions == 0 {
		o.Preemptions = DefaultPreemptions
		if o.Search == Random {
			o.Preemptions = Unbounded
		}
	}
	if o.MaxExecutions == 0 {
		o.MaxExecutions = DefaultMaxExecutions
		if o.sampling() {
			o.MaxExecutions = DefaultSamples
		}
	}
	if o.Depth == 0 {
		o.Depth = DefaultDepth
	}
	if o.MaxSteps == 0 {
		o.MaxSteps = DefaultMaxSteps
	}
	if o.Timeouts == 0 {
		o.Timeouts = DefaultTimeouts
	}
	if o.SpinRounds == 0 {
		o.SpinRounds = 1
	}
	return o
}

// Result is what a search did.
type Result struct {
	Executions int           // executions run
	Steps      int           // operations in all executions
	Redundant  int           // of them, those that DFS and DPOR gave up as seen before
	Bounds     []int         // executions by preemption bound 0, 1, ...; one entry if unbounded
	Complete   bool          // everything within the bound was explored
	Elapsed    time.Duration // wall time
	Failure    *Failure      // the first failure, nil if there was none
	Trace      string        // of the execution, when Options.Replay was set
}

// Failure is an execution that went wrong.
type Failure struct {
	Name   string // Options.Name
	Reason string // what went wrong
	Replay string // for Options.Replay or EVD_EXPLORE_REPLAY
	Trace  string // the execution, one operation a line
}

// Error returns all there is to know.
func (f *Failure) Error() string {
	name := f.Name
	if name != "" {
		name += ": "
	}
	s := name + f.Reason
	if f.Replay != "" {
		s += "\nreplay: " + f.Replay
	}
	if f.Trace != "" {
		s += "\n" + f.Trace
	}
	return s
}
