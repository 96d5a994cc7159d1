package explore

import (
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"sync"
	"time"
)

// one lets one search run at a time.
var one sync.Mutex

// DFS runs body, once for every combination of scheduling decisions within
// the bounds of o, until one execution fails or all are done. body creates
// the state and the threads of one execution.
//
// It must be called from an ordinary goroutine, not from an execution.
func DFS(o Options, body func(x *X)) Result { return search(o, body, nil) }

// search is DFS. interrupted, if not nil, is called with the failure so far
// when a Goexit or a panic ends the search early.
func search(o Options, body func(x *X), interrupted func(*Failure)) (res Result) {
	if err := o.Validate(); err != nil {
		res.Failure = &Failure{Name: o.Name, Reason: err.Error()}
		return res
	}
	o = o.withDefaults()
	one.Lock()
	defer one.Unlock()
	s := &searcher{x: &X{opt: o}, body: body, res: &res}
	// What an execution leaves behind is small and soon garbage.
	defer debug.SetGCPercent(debug.SetGCPercent(1600))
	begin := time.Now()
	done := false
	defer func() {
		res.Elapsed = time.Since(begin)
		s.close()
		if !done && interrupted != nil {
			interrupted(&Failure{Name: o.Name, Replay: encode(s.x.bound, s.x.strategy.picks())})
		}
	}()
	switch {
	case o.Replay != "":
		s.replay()
	case o.Random > 0:
		s.random()
	default:
		s.dfs()
	}
	done = true
	return res
}

// searcher is a search under way.
type searcher struct {
	x    *X
	body func(*X)
	res  *Result
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
	s.res.Executions++
	s.res.Steps += s.x.steps
	return s.x.failure == nil
}

func (s *searcher) dfs() {
	for b := 0; ; b++ {
		s.x.bound = b
		switch s.x.opt.Preemptions {
		case Unbounded:
			s.x.bound = -1
		case NoPreemptions:
			s.x.bound = 0
		}
		cut, ok := s.pass()
		if !ok {
			return
		}
		if !cut || s.x.bound < 0 || b >= s.x.opt.Preemptions {
			break
		}
	}
	s.res.Complete = true
}

// pass is the search with one bound. cut tells whether the bound mattered,
// ok that it is to go on.
func (s *searcher) pass() (cut, ok bool) {
	d := &dfs{}
	s.x.strategy = d
	from := s.res.Executions
	defer func() { s.res.Bounds = append(s.res.Bounds, s.res.Executions-from) }()
	for {
		if s.res.Executions >= s.x.opt.MaxExecutions {
			return cut, false
		}
		d.begin()
		if !s.execute() {
			s.explain(d.picks())
			return cut, false
		}
		if !d.whole() {
			s.res.Failure = &Failure{Name: s.x.opt.Name, Replay: encode(s.x.bound, d.picks()), Reason: fmt.Sprintf(
				"the scenario is not deterministic: it ended after %d of %d decisions; %s", d.pos, len(d.path), lookFor)}
			return cut, false
		}
		cut = cut || s.x.cut
		if !d.advance() {
			return cut, true
		}
	}
}

func (s *searcher) random() {
	s.x.bound = max(s.x.opt.Preemptions, -1)
	switch s.x.opt.Preemptions {
	case Unbounded:
		s.x.bound = -1
	case NoPreemptions:
		s.x.bound = 0
	}
	r := &random{r: rand.New(rand.NewPCG(s.x.opt.Seed, 0))}
	s.x.strategy = r
	for s.res.Executions < s.x.opt.Random {
		r.list = r.list[:0]
		if !s.execute() {
			s.explain(r.picks())
			return
		}
	}
}

func (s *searcher) replay() {
	bound, picks, err := decode(s.x.opt.Replay)
	if err != nil {
		s.res.Failure = &Failure{Name: s.x.opt.Name, Reason: err.Error()}
		return
	}
	s.x.bound = bound
	s.traced(picks)
	s.res.Executions, s.res.Steps = 1, s.x.steps
	s.res.Failure = s.x.failure
	if f := s.res.Failure; f != nil {
		f.Replay, f.Trace = s.x.opt.Replay, s.res.Trace
	}
}

// explain runs the failed execution again, to have it in words.
func (s *searcher) explain(picks []uint8) {
	f := s.x.failure
	f.Replay = encode(s.x.bound, picks)
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

// traced runs one execution with a trace.
func (s *searcher) traced(picks []uint8) {
	s.x.strategy = &fixed{list: picks}
	s.x.tr = newTracer(s.x)
	s.x.run(s.body)
	s.res.Trace = s.x.tr.String()
	s.x.tr = nil
}
