package explore_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/evdengine/evd/internal/explore"
)

// This file checks the checker: random small programs are run by the explorer
// and by an independent enumerator of all interleavings, and both must see
// the same outcomes, for every preemption bound.

type opcode int

const (
	opLoad opcode = iota
	opStore
	opAdd
	opCAS
	opLock
	opUnlock
	opAwait // until vars[v] == a, by Block
	opSpin  // the same, by spinning
	opTimed // the same, or timing out
	opPick  // a free choice of two
)

type instr struct {
	op   opcode
	v    int    // variable or lock
	a, b uint64 // operands
}

func (i instr) String() string {
	return fmt.Sprintf("%s(%d,%d,%d)", [...]string{"load", "store", "add", "cas", "lock", "unlock", "await", "spin", "timed", "pick"}[i.op], i.v, i.a, i.b)
}

type program [][]instr

const nvars = 3

// randomProgram makes a program of n threads. Atomic: only instructions that
// never wait.
func randomProgram(r *rand.Rand, n, most int, atomic bool) program {
	p := make(program, n)
	for t := range p {
		locked := false
		timed := false
		for range 1 + r.IntN(most) {
			in := instr{op: opcode(r.IntN(4)), v: r.IntN(nvars), a: uint64(r.IntN(3)), b: uint64(r.IntN(3))}
			if !atomic {
				// Fewer variables and values, so that waiting often ends.
				in.v, in.a, in.b = r.IntN(2), uint64(r.IntN(2)), uint64(r.IntN(2))
				if k := r.IntN(12); k < 6 {
					in.op = opLock + opcode(k)
				}
			}
			switch in.op {
			case opLock:
				in.v = 0
				if locked {
					in.op = opUnlock
				}
				locked = !locked
			case opUnlock:
				in.v, in.op = 0, opLock
				if locked {
					in.op = opUnlock
				}
				locked = !locked
			case opTimed:
				if timed { // as many as Options.Timeouts
					in.op = opLoad
				}
				timed = true
			}
			p[t] = append(p[t], in)
		}
		if locked {
			p[t] = append(p[t], instr{op: opUnlock})
		}
	}
	return p
}

// machine is a state of the enumerator.
type machine struct {
	vars [nvars]uint64
	held bool
	pc   [4]int
	seen [4]uint64 // everything the thread observed, in order
}

func (m *machine) observe(t int, v uint64) { m.seen[t] = m.seen[t]*7 + v + 1 }

func (m *machine) enabled(p program, t int) bool {
	if m.pc[t] >= len(p[t]) {
		return false
	}
	switch in := p[t][m.pc[t]]; in.op {
	case opLock:
		return !m.held
	case opAwait, opSpin:
		return m.vars[in.v] == in.a
	}
	return true
}

// sleeps: the next instruction of t is a timed wait that has to wait, though
// it may time out at once. Others then run without preempting t.
func (m *machine) sleeps(p program, t int) bool {
	in := p[t][m.pc[t]]
	return in.op == opTimed && m.vars[in.v] != in.a
}

// step executes the next instruction of t; pick is for opPick.
func (m *machine) step(p program, t int, pick uint64) {
	in := p[t][m.pc[t]]
	m.pc[t]++
	v := &m.vars[in.v]
	switch in.op {
	case opLoad:
		m.observe(t, *v)
	case opStore:
		*v = in.a
	case opAdd:
		*v += in.a
		m.observe(t, *v)
	case opCAS:
		ok := *v == in.a
		if ok {
			*v = in.b
		}
		m.observe(t, bit(ok))
	case opLock:
		m.held = true
	case opUnlock:
		m.held = false
	case opTimed:
		m.observe(t, bit(*v == in.a))
	case opPick:
		m.observe(t, pick)
	}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

func (m *machine) outcome(n int) string {
	return fmt.Sprint(m.vars, m.pc[:n], m.seen[:n])
}

// enumerator visits all interleavings with at most bound preemptions.
type enumerator struct {
	p     program
	bound int // negative: no bound
	out   map[string]int
	paths int
	most  int // paths, then it gives up
}

func (e *enumerator) visit(m machine, cur, preempts int) {
	if e.paths > e.most {
		return
	}
	free := cur < 0 || !m.enabled(e.p, cur) || m.sleeps(e.p, cur)
	any := false
	for t := range e.p {
		if !m.enabled(e.p, t) {
			continue
		}
		any = true
		k := preempts
		if t != cur && !free {
			if k++; e.bound >= 0 && k > e.bound {
				continue
			}
		}
		picks := uint64(1)
		if e.p[t][m.pc[t]].op == opPick {
			picks = 2
		}
		for pick := range picks {
			next := m
			next.step(e.p, t, pick)
			e.visit(next, t, k)
		}
	}
	if !any {
		e.paths++
		e.out[m.outcome(len(e.p))]++
	}
}

// scenario is the program for the explorer. All threads are daemons, because
// programs that get stuck have an outcome too.
func (p program) scenario(out map[string]int) func(x *explore.X) {
	return func(x *explore.X) {
		var m machine
		w := make([]word, nvars)
		var l lock
		for t := range p {
			x.Daemon(string(rune('a'+t)), func() {
				for _, in := range p[t] {
					v := &w[in.v]
					is := func() bool { return v.load() == in.a }
					switch in.op {
					case opLoad:
						m.observe(t, v.load())
					case opStore:
						v.store(in.a)
					case opAdd:
						m.observe(t, v.add(in.a))
					case opCAS:
						m.observe(t, bit(v.cas(in.a, in.b)))
					case opLock:
						l.lock()
					case opUnlock:
						l.unlock()
					case opAwait:
						explore.Block(is)
					case opSpin:
						spinUntil(v, in.a)
					case opTimed:
						m.observe(t, bit(explore.BlockTimeout(is)))
					case opPick:
						m.observe(t, uint64(x.Choose(2)))
					}
					m.pc[t]++
				}
			})
		}
		x.Check(func() {
			for i := range w {
				m.vars[i] = w[i].v
			}
			out[m.outcome(len(p))]++
		})
	}
}

// compare runs both on one program; false if it is too big.
func compare(t *testing.T, p program, bound int, counts bool) bool {
	t.Helper()
	most := 4000
	if raceDetector {
		most = 500
	}
	e := enumerator{p: p, bound: bound, out: map[string]int{}, most: most}
	e.visit(machine{}, -1, 0)
	if e.paths > most {
		return false
	}
	got := map[string]int{}
	o := explore.Options{Preemptions: bound, MaxExecutions: 50 * most}
	switch bound {
	case -1:
		o.Preemptions = explore.Unbounded
	case 0:
		o.Preemptions = explore.NoPreemptions
	}
	res := explore.Run(o, p.scenario(got))
	if res.Failure != nil {
		t.Fatalf("%v: %v", p, res.Failure)
	}
	if !res.Complete {
		return false
	}
	for k := range got {
		if e.out[k] == 0 {
			t.Fatalf("bound %d: the explorer has an outcome that is impossible\n%s", bound, difference(p, e.out, got))
		}
	}
	for k := range e.out {
		if got[k] == 0 {
			t.Fatalf("bound %d: the explorer misses an outcome\n%s", bound, difference(p, e.out, got))
		}
	}
	o.Merge = true
	if bound < 0 || bound == explore.DefaultPreemptions {
		compareReduced(t, o, p, e, res.Executions)
	}
	if bound < 0 {
		compareReduced(t, explore.Options{Search: explore.DPOR, MaxExecutions: 1_000_000}, p, e, res.Executions)
	}
	// Without instructions that wait, both do exactly the same executions. A
	// smaller last bound means that the bound was never reached.
	if last := res.Bounds[len(res.Bounds)-1]; counts && last != e.paths {
		t.Fatalf("bound %d: %d executions, there are %d interleavings\n%v", bound, last, e.paths, p)
	}
	return true
}

// reduced counts executions of searches without and with reduction: by merging
// states, and by partial order.
var reduced [2]struct{ searches, full, kept, redundant int }

// compareReduced runs a search with a reduction.
func compareReduced(t *testing.T, o explore.Options, p program, e enumerator, full int) {
	t.Helper()
	got := map[string]int{}
	res := explore.Run(o, p.scenario(got))
	if res.Failure != nil {
		t.Fatalf("%v: %v", p, res.Failure)
	}
	if !res.Complete {
		t.Fatalf("%v: not complete", p)
	}
	for _, k := range slices.Sorted(maps.Keys(e.out)) {
		if got[k] == 0 {
			t.Fatalf("with reduction an outcome is missing\n%s", difference(p, e.out, got))
		}
	}
	for k := range got {
		if e.out[k] == 0 {
			t.Fatalf("with reduction there is an outcome that is impossible\n%s", difference(p, e.out, got))
		}
	}
	r := &reduced[1]
	if o.Merge {
		r = &reduced[0]
	}
	r.searches++
	r.full += full
	r.kept += res.Executions
	r.redundant += res.Redundant
}

func difference(p program, want, got map[string]int) string {
	var b strings.Builder
	for t := range p {
		fmt.Fprintf(&b, "%c: %v\n", 'a'+t, p[t])
	}
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if got[k] == 0 {
			fmt.Fprintf(&b, "missing:    %s\n", k)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(got)) {
		if want[k] == 0 {
			fmt.Fprintf(&b, "impossible: %s\n", k)
		}
	}
	return b.String()
}

func TestOutcomesOfRandomPrograms(t *testing.T) {
	for _, c := range []struct {
		name          string
		threads, most int
		atomic        bool
		programs      int
	}{
		{"atomics, 2 threads", 2, 6, true, 40},
		{"atomics, 3 threads", 3, 3, true, 300},
		{"atomics, 4 threads", 4, 2, true, 100},
		{"waiting, 2 threads", 2, 6, false, 400},
		{"waiting, 3 threads", 3, 4, false, 300},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, uint64(c.threads)))
			programs := c.programs
			if testing.Short() || raceDetector {
				programs /= 10
			}
			done := 0
			for range programs {
				p := randomProgram(r, c.threads, c.most, c.atomic)
				for bound := -1; bound <= 3; bound++ {
					if compare(t, p, bound, c.atomic) {
						done++
					}
				}
			}
			t.Logf("%d comparisons", done)
			for i, how := range []string{"merging states", "partial order"} {
				r := &reduced[i]
				t.Logf("%s: %d searches, %d executions instead of %d (%d of them given up)", how, r.searches, r.kept, r.full, r.redundant)
				r.searches, r.full, r.kept, r.redundant = 0, 0, 0, 0
			}
			if done < 3*programs {
				t.Fatalf("only %d of %d comparisons were small enough", done, 5*programs)
			}
		})
	}
}

// TestCounts has numbers that can be worked out by hand: the interleavings of
// two threads of k operations, by the number of preemptions.
func TestCounts(t *testing.T) {
	choose := func(n, k int) int {
		c := 1
		for i := range k {
			c = c * (n - i) / (i + 1)
		}
		return c
	}
	two := func(k int) func(x *explore.X) {
		return func(x *explore.X) {
			w := new(word)
			for _, name := range []string{"a", "b"} {
				x.Go(name, func() {
					for range k {
						w.add(1)
					}
				})
			}
		}
	}
	for k := 1; k <= 5; k++ {
		res := explore.Run(explore.Options{Preemptions: explore.Unbounded}, two(k))
		if want := choose(2*k, k); res.Executions != want || !res.Complete {
			t.Errorf("%d operations each: %d executions (complete %v), there are %d interleavings", k, res.Executions, res.Complete, want)
		}
		if res.Steps != 2*k*res.Executions {
			t.Errorf("%d operations each: %d steps in %d executions", k, res.Steps, res.Executions)
		}
		// Bound 0: either thread first. Bound 1: besides, either thread
		// stops at one of k-1 places, and the other one runs to its end.
		res = explore.Run(explore.Options{Preemptions: 1}, two(k))
		if want := []int{2, 2 + 2*(k-1)}; k > 1 && !slices.Equal(res.Bounds, want) {
			t.Errorf("%d operations each: executions by bound %v, want %v", k, res.Bounds, want)
		}
	}
}
