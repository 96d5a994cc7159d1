// Package evdexpvar publishes an engine's counters with the standard library's
// expvar: as JSON under /debug/vars of the program's default HTTP server. It is
// apart from package engine because expvar brings net/http along.
package evdexpvar

import (
	"encoding/json"
	"expvar"
	"fmt"
	"sync"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/internal/param"
)

// variable is what is published under a name, for ever. Invariant: engine is not
// nil once the variable can be found.
type variable struct {
	mu     sync.Mutex
	engine *engine.Engine // owner: mu
}

var (
	mu   sync.Mutex
	vars = map[string]*variable{} // owner: mu; by name
)

// Publish publishes e under name: an object of "engine" (engine.EngineStats),
// "evds", a list of what Query and CQStats tell of each EVD that is open, "shared", one
// of the shared CQs and their engine.SharedStats, and "pollers", one of the
// engine.PollerStats. It is read anew for every request.
//
// expvar cannot take a name back. So publishing another engine under a name that
// was given to Publish before replaces the engine; and an engine that is closed
// goes on being shown, without EVDs, until then, and is kept in memory.
//
// Errors: engine.ErrNilHandle (e), engine.ErrInvalid (name: empty, or a variable
// of somebody else's has it).
// Concurrency: from any goroutine. Another package that publishes the same name
// at the same time panics, or has Publish panic: that is expvar's rule.
func Publish(name string, e *engine.Engine) error {
	const op = "evdexpvar: Publish"
	if e == nil || e.Async() == nil {
		return param.Wrong(engine.ErrNilHandle, op, "e", "nil", "what engine.New returned")
	}
	if name == "" {
		return param.Invalid(op, "name", `""`, "a name")
	}
	mu.Lock()
	defer mu.Unlock()
	if v := vars[name]; v != nil {
		v.mu.Lock()
		v.engine = e
		v.mu.Unlock()
		return nil
	}
	if expvar.Get(name) != nil {
		return param.Invalid(op, "name", fmt.Sprintf("%q", name), "one that no other expvar has")
	}
	v := &variable{engine: e}
	expvar.Publish(name, v)
	vars[name] = v
	return nil
}

type object struct {
	Engine  engine.EngineStats `json:"engine"`
	EVDs    []evd              `json:"evds"`
	Shared  []shared           `json:"shared"`
	Pollers []poller           `json:"pollers"`
}

// evd is engine.Query with names in place of numbers, and the CQs.
type evd struct {
	ID                       uint32
	Name                     string
	Streams, Policy          string
	Capacity                 int
	Running, Pending         int
	Waitable, Waiting, Armed bool
	CNO                      string
	Ready                    bool
	WaitMode                 string
	WaitBudget               time.Duration
	Stats                    engine.Stats
	CQs                      []cq
}

// shared is a SharedCQ.
type shared struct {
	ID   uint32
	Name string
	Mode string // goes before the number of that name
	engine.SharedStats
}

// poller is a Poller.
type poller struct {
	CPU string // goes before the number of that name
	engine.PollerStats
}

type cq struct {
	Mode string // goes before the number of that name
	engine.CQStats
}

// String makes the variable an expvar.Var.
func (v *variable) String() string {
	v.mu.Lock()
	e := v.engine
	v.mu.Unlock()
	o := object{Engine: e.Stats(), EVDs: []evd{}, Shared: []shared{}, Pollers: []poller{}}
	for _, d := range e.EVDs() {
		q := d.Query()
		one := evd{
			ID: q.ID, Name: q.Name, Streams: q.Streams.String(), Policy: q.Policy.String(),
			Capacity: q.Capacity, Running: q.Running, Pending: q.Pending,
			Waitable: q.Waitable, Waiting: q.Waiting, Armed: q.Armed, CNO: q.CNO, Ready: q.Ready,
			WaitMode: q.WaitMode.String(), WaitBudget: q.WaitBudget,
			Stats: q.Stats, CQs: []cq{},
		}
		for i := range q.Modes {
			if st, err := d.CQStats(i); err == nil {
				one.CQs = append(one.CQs, cq{Mode: st.Mode.String(), CQStats: st})
			}
		}
		o.EVDs = append(o.EVDs, one)
	}
	for _, s := range e.SharedCQs() {
		st := s.Stats()
		o.Shared = append(o.Shared, shared{ID: s.ID(), Name: s.Name(), Mode: st.Mode.String(), SharedStats: st})
	}
	for _, g := range e.Pollers() {
		st := g.Stats()
		o.Pollers = append(o.Pollers, poller{CPU: st.CPU.String(), PollerStats: st})
	}
	b, err := json.Marshal(o)
	if err != nil {
		return "null" // expvar wants JSON; nothing in object can fail
	}
	return string(b)
}
