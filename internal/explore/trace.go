package explore

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"unsafe"
)

// tracer records one execution for the reader. It is only used when a
// failure is replayed, so it need not be fast.
type tracer struct {
	x      *X
	events []event
	labels map[unsafe.Pointer]string
	objs   map[uint64]int // pointer values, by order of appearance
	places map[access]string
	ends   []string // how each thread ended
	seen   int      // preemptions so far
}

// access is a plain access; places has the source line of the last one.
type access struct {
	loc, thread int
	kind        Kind
}

type event struct {
	mark   string // of a preemption before it
	thread string
	op     string
	what   string // label of the address
	values string
	where  string
}

func newTracer(x *X) *tracer {
	return &tracer{x: x, labels: map[unsafe.Pointer]string{}, objs: map[uint64]int{}, places: map[access]string{}}
}

func (tr *tracer) label(p unsafe.Pointer, name string) { tr.labels[p] = name }

// name returns the label of a location.
func (tr *tracer) name(l *loc) string {
	if s, ok := tr.labels[l.addr]; ok {
		return s
	}
	return fmt.Sprintf("loc%d", l.id)
}

func (tr *tracer) add(e event, t *Thread) {
	e.thread, e.where = t.name, where()
	if tr.x.preempts > tr.seen {
		tr.seen, e.mark = tr.x.preempts, "!"
	}
	tr.events = append(tr.events, e)
	t.where = fmt.Sprintf(" (%d)", len(tr.events))
	if e.where != "" {
		t.where = fmt.Sprintf(" at %s (%d)", e.where, len(tr.events))
	}
}

// op records an operation; its values follow.
func (tr *tracer) op(t *Thread) {
	tr.add(event{op: t.kind.String(), what: tr.name(t.l)}, t)
}

// values completes the last operation.
func (tr *tracer) values(t *Thread, before, after uint64, ok bool) {
	if len(tr.events) == 0 {
		return
	}
	e := &tr.events[len(tr.events)-1]
	switch b := tr.value(t.kind, before); {
	case !ok:
		e.values = b + ", failed"
	case t.kind.writes():
		e.values = b + " -> " + tr.value(t.kind, after)
	default:
		e.values = b
	}
}

func (tr *tracer) value(k Kind, v uint64) string {
	switch {
	case k&AsBool != 0:
		return fmt.Sprint(v != 0)
	case k&AsPointer != 0 && v == 0:
		return "nil"
	case k&AsPointer != 0:
		for p, s := range tr.labels {
			if uint64(uintptr(p)) == v {
				return "&" + s
			}
		}
		if _, ok := tr.objs[v]; !ok {
			tr.objs[v] = len(tr.objs)
		}
		return fmt.Sprintf("&obj%d", tr.objs[v])
	case k&AsSigned != 0:
		return fmt.Sprint(int64(v))
	case v >= 1<<16:
		return fmt.Sprintf("%#x", v)
	}
	return fmt.Sprint(v)
}

// text records something without an address.
func (tr *tracer) text(t *Thread, k Kind, text string) {
	tr.add(event{op: k.String(), values: text}, t)
}

// plain records a plain access.
func (tr *tracer) plain(t *Thread, k Kind, l *loc) {
	tr.add(event{op: k.String(), what: tr.name(l)}, t)
	tr.places[access{l.id, t.id, k}] = tr.events[len(tr.events)-1].where
}

// end notes what became of the threads, before they are stopped.
func (tr *tracer) end() {
	for _, t := range tr.x.threads {
		tr.ends = append(tr.ends, t.status())
	}
}

// The lines of a trace that are shown, from its begin and its end.
const maxHead, maxTail = 500, 200

// String formats the trace and what became of the threads.
func (tr *tracer) String() string {
	var w [4]int
	for _, e := range tr.events {
		for i, s := range []string{e.thread, e.op, e.what, e.values} {
			w[i] = max(w[i], len(s))
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "trace, ! after a preemption:\n")
	for i, e := range tr.events {
		if out := len(tr.events) - maxHead - maxTail; out > 0 && i >= maxHead && i < maxHead+out {
			if i == maxHead {
				fmt.Fprintf(&b, "     ... %d lines ...\n", out)
			}
			continue
		}
		line := fmt.Sprintf("%4d %1s %-*s  %-*s  %-*s  %-*s  %s", i+1, e.mark, w[0], e.thread, w[1], e.op, w[2], e.what, w[3], e.values, e.where)
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	for _, s := range tr.ends {
		b.WriteString("      " + s + "\n")
	}
	return b.String()
}

// own are the function name prefixes of the explorer and of package atom.
var own = func() [2]string {
	pc, _, _, _ := runtime.Caller(0)
	f := runtime.FuncForPC(pc).Name()
	pkg := f[:strings.LastIndexByte(f, '/')+1]
	return [2]string{pkg + "explore.", pkg + "atom."}
}()

// where returns the source line that called into the explorer.
func where() string {
	var pcs [32]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		f, more := frames.Next()
		if f.Function == "" {
			return ""
		}
		if !strings.HasPrefix(f.Function, own[0]) && !strings.HasPrefix(f.Function, own[1]) {
			if strings.HasPrefix(f.Function, "iter.") || strings.HasPrefix(f.Function, "runtime.") {
				return ""
			}
			dir, file := filepath.Split(f.File)
			return fmt.Sprintf("%s/%s:%d", filepath.Base(dir), file, f.Line)
		}
		if !more {
			return ""
		}
	}
}
