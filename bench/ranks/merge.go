package ranks

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/engine"
)

// merge makes one report of all parts, and a node of each. Histograms are added up:
// the percentiles are those of the whole population.
func (m *measurement) merge() (*bench.Report, []result.Node, error) {
	g := m.g
	w := &whole{r: &bench.Report{
		Config: g.cfg.Bench, Interrupted: m.interrupted, Warnings: []string{}, Invalid: []string{},
		Connection: &bench.Connection{}, Histograms: map[string]*bench.Hist{},
	}}
	w.r.Conservation.Producers, w.r.Conservation.Violations = []bench.ProducerBalance{}, []string{}
	nodes := make([]result.Node, len(m.parts))
	for rank := range nodes { // before what the others say of it
		n := &nodes[rank]
		*n = result.Node{Rank: rank, Host: g.all[rank].Host, Role: role(g.flows, rank)}
		if err := g.lost[rank]; err != nil && !m.has[rank] {
			n.Lost = fmt.Sprintf("rank %d on %s has died, or cannot be reached: %v", rank, n.Host, err)
			w.lose("%s", n.Lost)
		}
	}
	for rank, sides := range m.parts {
		w.add(&nodes[rank], sides, g.flows)
	}
	if w.first == nil {
		return nil, nil, fmt.Errorf("ranks: no rank has measured anything: %s", w.r.Connection.Lost)
	}
	w.finish(g)
	w.pairwise(g.flows, m.parts)
	return w.r, nodes, nil
}

// whole is a report of many.
type whole struct {
	r       *bench.Report
	first   *bench.Report // of a client, if there is one
	upcalls uint64
}

// lose says that not all went to its end; the first reason counts.
func (w *whole) lose(format string, args ...any) {
	if w.r.Connection.Lost == "" {
		w.r.Connection.Lost = fmt.Sprintf(format, args...)
	}
}

func (w *whole) violate(n *result.Node, format string, args ...any) {
	n.Violations++
	w.r.Conservation.Violations = append(w.r.Conservation.Violations, fmt.Sprintf(format, args...))
}

// add adds what a rank has measured.
func (w *whole) add(n *result.Node, sides []side, flows []flow) {
	var cpu float64
	var mallocs uint64
	var gcs uint32
	hist := bench.NewHist()
	for i := range sides {
		s := &sides[i]
		n.Flows++
		name := fmt.Sprintf("rank %d, flow %v", n.Rank, flows[s.Flow])
		if s.Report == nil {
			n.Lost = fmt.Sprintf("%s: %s", name, s.Error)
			w.lose("%s", n.Lost)
			continue
		}
		r := s.Report
		if w.first == nil || w.first.Results.Latency == nil && !s.Serving {
			w.first = r
		}
		w.sum(n, name, r)
		n.Sent += r.Connection.Sent
		n.Received += r.Connection.Received
		cpu, mallocs, gcs = max(cpu, r.Results.CPU), max(mallocs, r.Results.Mallocs), max(gcs, r.Results.GCs)
		if n.Role != "server" && s.Serving {
			continue
		}
		n.Operations += r.Results.Operations
		n.Rate += r.Results.Rate
		if s.Serving {
			continue
		}
		w.r.Results.Operations += r.Results.Operations
		w.r.Results.Rate += r.Results.Rate
		w.r.Results.Elapsed = max(w.r.Results.Elapsed, r.Results.Elapsed)
		for kind, h := range r.Histograms {
			if w.r.Histograms[kind] == nil {
				w.r.Histograms[kind] = bench.NewHist()
			}
			w.r.Histograms[kind].Merge(h)
		}
		if h := r.Histograms["service"]; h != nil {
			hist.Merge(h)
		}
	}
	if n.Role != "server" && n.Flows > 0 {
		sum := hist.Summary() // the table has p50 and p99
		n.Latency, n.Histogram = &sum, hist
	}
	w.r.Results.CPU += cpu
	w.r.Results.Mallocs += mallocs
	w.r.Results.GCs += gcs
}

// sum adds the books of one side.
func (w *whole) sum(n *result.Node, name string, r *bench.Report) {
	c, d := &w.r.Conservation, &r.Conservation
	addCounters(c, d)
	addCounters(&w.r.Engine, &r.Engine)
	addCounters(&w.r.CQ, &r.CQ)
	addCounters(w.r.Connection, r.Connection)
	w.upcalls += r.Engine.Upcalls
	for _, v := range d.Violations {
		w.violate(n, "%s: %s", name, v)
	}
	if lost := r.Connection.Lost; lost != "" {
		n.Lost = fmt.Sprintf("%s: %s", name, lost)
		w.lose("%s", n.Lost)
	}
	for _, x := range []struct{ to, from *[]string }{{&w.r.Warnings, &r.Warnings}, {&w.r.Invalid, &r.Invalid}} {
		for _, s := range *x.from {
			if s = name + ": " + s; !slices.Contains(*x.to, s) {
				*x.to = append(*x.to, s)
			}
		}
	}
}

// addCounters adds the fields of a struct that count.
func addCounters[T engine.Stats | bench.CQCounts | bench.Connection | bench.Conservation](to, from *T) {
	addValues(reflect.ValueOf(to).Elem(), reflect.ValueOf(from).Elem())
}

func addValues(a, b reflect.Value) {
	switch a.Kind() {
	case reflect.Uint64:
		a.SetUint(a.Uint() + b.Uint())
	case reflect.Array:
		for i := range a.Len() {
			addValues(a.Index(i), b.Index(i))
		}
	case reflect.Struct:
		for i := range a.NumField() {
			addValues(a.Field(i), b.Field(i))
		}
	}
}

// finish fills in what follows from the sums.
func (w *whole) finish(g *Group) {
	r, f := w.r, w.first
	r.Config = f.Config
	r.Config.Server, r.Config.Dev = "", strings.Join(g.cfg.Devs, ",")
	r.Env = f.Env
	r.Measures = fmt.Sprintf("%s among %d ranks, %d flows at once; each: %s", g.cfg.Pattern, g.place.Size, len(g.flows), f.Measures)
	if h := r.Histograms["service"]; h != nil {
		sum := h.Summary(r.Config.Percentiles...)
		r.Results.Latency = &sum
	}
	if h := r.Histograms["response"]; h != nil {
		sum := h.Summary(r.Config.Percentiles...)
		r.Results.Response = &sum
	}
	if r.Results.Operations > 0 {
		r.Results.PerOp = float64(r.Results.Elapsed) / float64(r.Results.Operations)
	}
	if w.upcalls > 0 {
		r.Results.EventsPerUpcall = float64(r.Conservation.Delivered) / float64(w.upcalls)
	}
}

// pairwise holds the two sides of each flow against each other, those that both went
// to their end.
func (w *whole) pairwise(flows []flow, parts [][]side) {
	find := func(rank, i int, serving bool) *bench.Connection {
		for _, s := range parts[rank] {
			if s.Flow == i && s.Serving == serving && s.Report != nil && s.Report.Connection.Lost == "" && s.Report.OK() {
				return s.Report.Connection
			}
		}
		return nil
	}
	v := &w.r.Conservation.Violations
	for i, f := range flows {
		c, s := find(f.client, i, false), find(f.server, i, true)
		if c == nil || s == nil {
			continue
		}
		if c.Sent != s.Received || s.Sent != c.Received {
			*v = append(*v, fmt.Sprintf("flow %v: rank %d sent %d messages and received %d, rank %d received %d and sent %d",
				f, f.client, c.Sent, c.Received, f.server, s.Received, s.Sent))
		}
	}
	if n := w.r.Connection; len(*v) == 0 && n.Lost == "" && n.Sent != n.Received {
		*v = append(*v, fmt.Sprintf("all ranks sent %d messages, and received %d", n.Sent, n.Received))
	}
}
