package engine

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"runtime"
	"strings"
)

// Trace selects what is traced: categories, or-ed. A trace is a line as of a
// function call, with named parameters and symbolic names:
//
//	evd_modify_upcall(evd=io, upcall_policy=single_instance, upcall=same, flag=strict) = ok
//
// It is the message of a slog record of level Info, whose attribute "category"
// is the category's name. Without Config.Logger, or without the category,
// nothing is formatted: it costs a test of a word that does not change, where
// there is one at all.
type Trace uint8

// Trace categories.
const (
	TraceAPI        Trace = 1 << iota // calls of this package's methods
	TraceEVD                          // what EVDs do by themselves: upcalls
	TraceCQ                           // arms and events of CQs
	TraceEndpoint                     // endpoints and their connection events
	TraceAsync                        // async errors
	TraceCompletion                   // every event that is delivered or dequeued

	traceRegions Trace = 1 << 7 // Config.Regions; needs no logger

	TraceAll = TraceAPI | TraceEVD | TraceCQ | TraceEndpoint | TraceAsync | TraceCompletion
)

var traceNames = []struct {
	t    Trace
	name string
}{{TraceAPI, "api"}, {TraceEVD, "evd"}, {TraceCQ, "cq"}, {TraceEndpoint, "endpoint"}, {TraceAsync, "async"}, {TraceCompletion, "completion"}}

func (t Trace) String() string {
	var names []string
	for _, n := range traceNames {
		if t&n.t != 0 {
			names = append(names, n.name)
			t &^= n.t
		}
	}
	if t != 0 {
		names = append(names, fmt.Sprintf("trace(%#x)", uint8(t)))
	}
	return strings.Join(names, "|")
}

// trace writes one line if its category is selected. kv are names and values in
// turn. The caller guards calls that are on a hot path.
func (e *Engine) trace(t Trace, call string, kv ...any) {
	if e.tracing&t != 0 {
		e.write(t, call, "", kv)
	}
}

// traceAPI is trace for a call that has returned. Only with TraceAPI.
func (e *Engine) traceAPI(err error, call string, kv ...any) {
	result := " = ok"
	if err != nil {
		result = " = " + err.Error()
	}
	e.write(TraceAPI, call, result, kv)
}

func (e *Engine) write(t Trace, call, result string, kv []any) {
	var b strings.Builder
	b.WriteString(call)
	b.WriteByte('(')
	for i := 0; i+1 < len(kv); i += 2 {
		if i > 0 {
			b.WriteString(", ")
		}
		v := kv[i+1]
		if d, ok := v.(*EVD); ok {
			v = d.label()
		}
		b.WriteString(fmt.Sprintf("%v=%v", kv[i], v))
	}
	b.WriteByte(')')
	b.WriteString(result)
	e.cfg.Logger.LogAttrs(context.Background(), slog.LevelInfo, b.String(), slog.String("category", t.String()))
}

// upcallName names an upcall function in a trace.
func upcallName(fn UpcallFunc) string {
	if fn == nil {
		return "same"
	}
	name := runtime.FuncForPC(reflect.ValueOf(fn).Pointer()).Name()
	return name[strings.LastIndexByte(name, '/')+1:]
}

// traceTaken traces a Dequeue or Wait.
func (d *EVD) traceTaken(call string, evs []Event) {
	d.e.trace(TraceAPI, call, "evd", d, "events", len(evs))
	d.traceEvents(evs)
}

// traceUpcall traces an upcall that is about to begin.
func (d *EVD) traceUpcall(evs []Event) {
	d.e.trace(TraceEVD, "evd_upcall", "evd", d, "events", len(evs))
	d.traceEvents(evs)
}

func (d *EVD) traceEvents(evs []Event) {
	if d.e.tracing&TraceCompletion == 0 {
		return
	}
	for i := range evs {
		ev := &evs[i]
		kv := []any{"evd", d, "wrid", fmt.Sprintf("%#x", ev.WRID)}
		switch ev.Stream {
		case DTO, Bind:
			kv = append(kv, "qp", ev.QPNum, "status", ev.Status)
			if ev.Status == 0 {
				kv = append(kv, "opcode", ev.Opcode, "byte_len", ev.ByteLen)
			}
		case Connection:
			kv = append(kv, "qp", ev.QPNum)
		case Async:
			kv = append(kv, "source", ev.Source(), "cq", ev.CQ, "count", ev.Count())
		}
		d.e.write(TraceCompletion, ev.Number.String(), "", kv)
	}
}
