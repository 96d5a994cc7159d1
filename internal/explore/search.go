package explore

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

// one lets one search run at a time.
var one sync.Mutex

// Run runs body, once for every execution that o asks for, until one fails or
// all are done. body creates the state and the threads of one execution.
//
// It must be called from an ordinary goroutine, not from an execution.
func Run(o Options, body func(x *X)) Result { return search(o, body, nil) }

// search is Run. interrupted, if not nil, is called with the failure so far
// when a Goexit or a panic ends the search early.
func search(o Options, body func(x *X), interrupted func(*Failure)) (res Result) {
	if err := o.Validate(); err != nil {
		res.Failure = &Failure{Name: o.Name, Reason: err.Error()}
		return res
	}
	o = o.withDefaults()
	one.Lock()
	defer one.Unlock()
	s := &searcher{x: &X{opt: o}, body: body, res: &res, begun: time.Now()}
	// What an execution leaves behind is small and soon garbage.
	defer debug.SetGCPercent(debug.SetGCPercent(1600))
	// But not more than this, when the table of states is large.
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(768 << 20))
	done := false
	defer func() {
		res.Elapsed = time.Since(s.begun)
		s.close()
		if !done && interrupted != nil {
			interrupted(&Failure{Name: o.Name, Replay: encode(s.x.bound, s.x.split, s.x.strategy.picks())})
		}
	}()
	s.search()
	done = true
	return res
}

// searcher is a search under way.
type searcher struct {
	x    *X
	body func(*X)
	res  *Result

	begun time.Time
}

// close lets the coroutines go.
func (s *searcher) close() {
	for _, w := range s.x.workers {
		w.stop()
	}
}

// execute runs one execution; false when it failed.
func (s *searcher) execute() bool {
	s.x.run(s.body)
	if s.x.redundant {
		s.res.Redundant++
	}
	s.res.Executions++
	s.res.Steps += s.x.steps
	return s.x.failure == nil
}

// search runs what the options ask for.
func (s *searcher) search() {
	o := &s.x.opt
	switch o.Preemptions {
	case Unbounded:
		s.x.bound = -1
	case NoPreemptions:
		s.x.bound = 0
	default:
		s.x.bound = o.Preemptions
	}
	switch {
	case o.Replay != "":
		s.replay()
	case o.Search == DPOR:
		s.x.dpor, s.x.split, s.x.bound = new(dpor), true, -1
		_, s.res.Complete = s.pass(s.x.dpor)
	case o.Search == PCT:
		s.x.bound = -1
		s.sample(&pct{r: rand.New(rand.NewPCG(o.Seed, 0)), depth: o.Depth})
	case o.Search == Random:
		s.sample(&random{r: rand.New(rand.NewPCG(o.Seed, 0))})
	default:
		s.dfs(s.x.bound)
	}
}

// dfs runs one pass for each bound up to most, -1: one without a bound.
func (s *searcher) dfs(most int) {
	for s.x.bound = min(most, 0); ; s.x.bound++ {
		cut, ok := s.pass(&dfs{})
		if !ok {
			return
		}
		if !cut || s.x.bound < 0 || s.x.bound >= most {
			break
		}
	}
	s.res.Complete = true
}

// enumerator is a strategy that visits the leaves of a tree of decisions.
type enumerator interface {
	strategy
	begin()        // prepares an execution
	advance() bool // moves to the next leaf; false when there is none
	left() int     // decisions that the execution did not come to
}

// pass visits all leaves. cut tells whether the bound mattered, ok that the
// search is to go on.
func (s *searcher) pass(e enumerator) (cut, ok bool) {
	s.x.strategy = e
	s.x.seen, s.x.dfs = nil, nil
	if d, ok := e.(*dfs); ok && s.x.opt.Merge {
		s.x.seen, s.x.dfs = newSeen(), d
	}
	from := s.res.Executions
	defer func() { s.res.Bounds = append(s.res.Bounds, s.res.Executions-from) }()
	for {
		if s.spent() {
			return cut, false
		}
		e.begin()
		if !s.execute() {
			s.explain(e.picks())
			return cut, false
		}
		if n := e.left(); n > 0 {
			s.res.Failure = &Failure{Name: s.x.opt.Name, Replay: encode(s.x.bound, s.x.split, e.picks()), Reason: fmt.Sprintf(
				"the scenario is not deterministic: it ended %d decisions early; %s", n, lookFor)}
			return cut, false
		}
		cut = cut || s.x.cut
		if !e.advance() {
			return cut, true
		}
	}
}

// spent tells whether the search has had what it is allowed.
func (s *searcher) spent() bool {
	o := &s.x.opt
	return s.res.Executions >= o.MaxExecutions || o.MaxTime > 0 && time.Since(s.begun) >= o.MaxTime
}

// sample runs MaxExecutions executions decided by chance.
func (s *searcher) sample(c interface {
	strategy
	begin()
},
) {
	s.x.strategy = c
	for !s.spent() {
		c.begin()
		if !s.execute() {
			s.explain(c.picks())
			return
		}
	}
}

func (s *searcher) replay() {
	bound, split, picks, err := decode(s.x.opt.Replay)
	if err != nil {
		s.res.Failure = &Failure{Name: s.x.opt.Name, Reason: err.Error()}
		return
	}
	s.x.bound, s.x.split = bound, split
	left := s.traced(picks)
	s.res.Executions, s.res.Steps = 1, s.x.steps
	f := s.x.failure
	if left > 0 && (f == nil || !strings.HasPrefix(f.Reason, misfit)) {
		// Another execution than the one that was meant, however it ended.
		why := fmt.Sprintf("%s: %d decisions left over; %s", misfit, left, misfitWhy)
		if f == nil {
			f = &Failure{Name: s.x.opt.Name, Reason: why}
		} else {
			f.Reason += "\n" + why
		}
	}
	if f != nil {
		f.Replay, f.Trace = s.x.opt.Replay, s.res.Trace
	}
	s.res.Failure = f
}

// explain runs the failed execution again, to have it in words.
func (s *searcher) explain(picks []uint8) {
	f := s.x.failure
	f.Replay = encode(s.x.bound, s.x.split, picks)
	s.traced(picks)
	f.Trace, s.res.Trace = s.res.Trace, ""
	switch g := s.x.failure; {
	case g == nil:
		f.Reason += "\nnot deterministic: the replay did not fail"
	case g.Reason != f.Reason:
		f.Reason = g.Reason // it knows source lines
	}
	s.res.Failure = f
}

// traced runs one execution with a trace, and returns how many decisions were
// left over.
func (s *searcher) traced(picks []uint8) (left int) {
	f := &fixed{list: picks}
	s.x.strategy, s.x.seen, s.x.dpor = f, nil, nil
	s.x.tr = newTracer(s.x)
	s.x.run(s.body)
	s.res.Trace = s.x.tr.String()
	s.x.tr = nil
	return f.left()
}
