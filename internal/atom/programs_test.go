//go:build explore

package atom_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

// This file checks the instrumented types together with the searches: random
// small programs are run by DFS without a bound, by DPOR and by an enumerator
// of all interleavings that knows nothing of the explorer, only what the
// operations mean in Go, and when a wait may time out: see Options.Timeouts.
// All three must see the same outcomes.
//
// Loops with Spin are only those whose turns write nothing.
//
//	EVD_PROGRAMS       number of programs, for a long run
//	EVD_PROGRAMS_SEED  seed of the first one; a failure names it

type opcode uint8

const (
	opLoad opcode = iota
	opStore
	opAdd
	opCAS
	opSwap
	opUntil     // vars[v] == a, by Block, by spinning if b
	opSpinCAS   // vars[v] from a to b, by spinning
	opTimedVar  // vars[v] == a or a timeout
	opLock      // by spinning on TryLock if b
	opUnlock    //
	opTry       // a TryLock, skips skip instructions if it fails
	opLoop      // while vars[v] != a: the four parts of a Cond's Wait
	opTicket    // the first part of a Wait
	opRelease   // the second
	opSleep     // the third
	opRelock    // the last, then back to the loop if b
	opSignal    // the Cond's
	opBroadcast //
	opPut       // Token.Signal
	opTake      // Token.Wait, by spinning on TryWait if b
	opTryTake   //
	opTimed     // WaitTimeout
	opSpawn     // begins thread v, by atom.Go if b
	opJoin      // waits for the end of thread v
	opIf        // skips skip instructions unless vars[v] == a
	opPick      // a free choice: skips skip instructions or not
)

var opNames = [...]string{
	opLoad: "load", opStore: "store", opAdd: "add", opCAS: "cas", opSwap: "swap", opUntil: "until", opSpinCAS: "spincas",
	opTimedVar: "timedvar", opLock: "lock", opUnlock: "unlock", opTry: "trylock", opLoop: "loop", opTicket: "ticket",
	opRelease: "release", opSleep: "sleep", opRelock: "relock", opSignal: "signal", opBroadcast: "broadcast", opPut: "put",
	opTake: "take", opTryTake: "trytake", opTimed: "timed", opSpawn: "spawn", opJoin: "join", opIf: "if", opPick: "pick",
}

type instr struct {
	op   opcode
	v    uint8  // variable, lock, token or thread
	a, b uint32 // operands
	skip int8
}

func (i instr) String() string {
	s := fmt.Sprintf("%s(%d,%d,%d)", opNames[i.op], i.v, i.a, i.b)
	if i.skip > 0 {
		s += fmt.Sprintf("+%d", i.skip)
	}
	return s
}

const (
	nthreads = 5
	nvars    = 2
	nlocks   = 2
	ntokens  = 2
)

// program is the code of each thread. The first tops of them are there from
// the start; the others are begun by another one.
type program struct {
	code [][]instr
	tops int
	full [ntokens]bool // tokens at the start
}

func (p program) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "tokens %v\n", p.full)
	for t, code := range p.code {
		name := ""
		if t >= p.tops {
			name = ", begun later"
		}
		fmt.Fprintf(&b, "%d%s: %v\n", t, name, code)
	}
	return b.String()
}

// generator makes programs.
type generator struct {
	*rand.Rand
	ops     []opcode // to choose from
	p       program
	pending int // threads that have been begun by code, but have none

	// Of the thread being made.
	self  int
	held  [nlocks]bool
	kids  []int
	timed int
}

// randomProgram makes a program. Each has only some kinds of operations, so
// that those it has meet.
func randomProgram(r *rand.Rand) program {
	g := &generator{Rand: r}
	kinds := [][]opcode{
		{opLoad, opStore, opAdd, opCAS, opSwap},
		{opLock, opLock, opTry},
		{opLock, opTicket, opLoop, opSignal, opSignal, opBroadcast},
		{opPut, opPut, opTake, opTryTake, opTimed},
		{opUntil, opUntil, opUntil, opSpinCAS, opSpinCAS, opTimedVar},
		{opSpawn, opSpawn, opJoin},
		{opIf, opPick},
	}
	for _, k := range kinds {
		if r.IntN(3) == 0 {
			g.ops = append(g.ops, k...)
		}
	}
	g.ops = append(g.ops, opcode(r.IntN(int(opSwap)+1)), opcode(r.IntN(int(opSwap)+1)))
	for i := range g.p.full {
		g.p.full[i] = r.IntN(3) == 0
	}
	g.p.tops = 2 + r.IntN(2)
	most := 10 - 2*g.p.tops
	g.pending = g.p.tops
	for g.self = 0; g.self < g.pending; g.self++ {
		g.held, g.kids, g.timed = [nlocks]bool{}, nil, 0
		g.p.code = append(g.p.code, g.block(1+r.IntN(most), 2))
		most = max(1, most-1)
	}
	return g.p
}

// block makes a block of about n instructions with blocks in it.
func (g *generator) block(n, depth int) (code []instr) {
	for len(code) < n {
		in := instr{op: g.ops[g.IntN(len(g.ops))], v: uint8(g.IntN(2)), a: uint32(g.IntN(2)), b: uint32(g.IntN(2))}
		switch in.op {
		case opLock, opTry:
			if depth == 0 || g.held[in.v] || in.v == 1 && g.IntN(3) > 0 {
				in.v = 0
				if depth == 0 || g.held[0] {
					in.op = opLoad
					break
				}
			}
			g.held[in.v] = true
			in.b = uint32(g.IntN(4) / 3)
			body := append(g.block(g.IntN(3), depth-1), instr{op: opUnlock, v: in.v})
			g.held[in.v] = false
			if in.op == opTry {
				in.skip = int8(len(body))
			}
			code = append(append(code, in), body...)
			continue
		case opIf, opPick:
			if depth > 0 {
				body := g.block(1+g.IntN(2), depth-1)
				in.skip = int8(len(body))
				code = append(append(code, in), body...)
				continue
			}
		case opTicket, opLoop:
			wait := []instr{{op: opTicket}, {op: opRelease}, {op: opSleep}, {op: opRelock}}
			if in.op == opLoop {
				wait[3].b = 1
				wait = append([]instr{in}, wait...)
			}
			if !g.held[0] {
				wait = append([]instr{{op: opLock}}, append(wait, instr{op: opUnlock})...)
			}
			code = append(code, wait...)
			continue
		case opTimed, opTimedVar:
			if g.timed == 2 {
				in.op = opLoad
				break
			}
			g.timed++
		case opSpawn:
			if g.pending == nthreads || g.pending > g.p.tops+1 {
				in.op = opStore
				break
			}
			in.v = uint8(g.pending)
			if in.b == 0 {
				g.kids = append(g.kids, g.pending)
			}
			g.pending++
		case opJoin:
			others := g.kids
			for t := range g.p.tops {
				if t != g.self {
					others = append(others, t)
				}
			}
			in.v = uint8(others[g.IntN(len(others))])
		}
		code = append(code, in)
	}
	return code
}

// machine is a state of the enumerator.
type machine struct {
	vars         [nvars]uint32
	held         [nlocks]bool
	full         [ntokens]bool
	waits, wakes uint8
	ticket       [nthreads]uint8
	late         [nthreads]uint8  // timeouts
	pc           [nthreads]int8   // -1: not begun
	seen         [nthreads]uint64 // everything the thread observed, in order
}

func (p program) start() (m machine) {
	m.full = p.full
	for t := p.tops; t < nthreads; t++ {
		m.pc[t] = -1
	}
	return m
}

func (m *machine) observe(t int, v uint32) { m.seen[t] = m.seen[t]*11 + uint64(v) + 1 }

func (m *machine) enabled(p program, t int) bool {
	if m.pc[t] < 0 || int(m.pc[t]) == len(p.code[t]) {
		return false
	}
	switch in := p.code[t][m.pc[t]]; in.op {
	case opTimed, opTimedVar:
		return m.late[t] < explore.DefaultTimeouts || m.there(in)
	case opUntil, opSpinCAS:
		return m.vars[in.v] == in.a
	case opLock:
		return !m.held[in.v]
	case opRelock:
		return !m.held[0]
	case opSleep:
		return m.wakes > m.ticket[t]
	case opTake:
		return m.full[in.v]
	case opJoin: // of a thread that its parent did not begin: it has none to wait for
		pc := m.pc[in.v]
		return pc < 0 || int(pc) == len(p.code[in.v])
	}
	return true
}

// there: the timed wait does not have to wait.
func (m *machine) there(in instr) bool {
	if in.op == opTimed {
		return m.full[in.v]
	}
	return m.vars[in.v] == in.a
}

// last: the thread can time out if nobody else can do anything. A thread has
// two timed waits at most, so this happens to it once.
func (m *machine) last(p program, t int) bool {
	if m.pc[t] < 0 || int(m.pc[t]) == len(p.code[t]) {
		return false
	}
	op := p.code[t][m.pc[t]].op
	return op == opTimed || op == opTimedVar
}

// step executes the next instruction of t; pick is for opPick.
func (m *machine) step(p program, t int, pick uint32) {
	in := p.code[t][m.pc[t]]
	m.pc[t]++
	v := &m.vars[in.v%nvars]
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
	case opSwap:
		m.observe(t, *v)
		*v = in.a
	case opSpinCAS:
		*v = in.b
	case opTimed, opTimedVar:
		ok := m.there(in)
		m.observe(t, bit(ok))
		if !ok {
			m.late[t]++
		}
		if in.op == opTimed {
			m.full[in.v] = false
		}
	case opLock:
		m.held[in.v] = true
	case opUnlock:
		m.held[in.v] = false
	case opTry:
		m.observe(t, bit(!m.held[in.v]))
		if m.held[in.v] {
			m.pc[t] += in.skip
		}
		m.held[in.v] = true
	case opLoop:
		m.observe(t, *v)
		if *v == in.a {
			m.pc[t] += 4
		}
	case opTicket:
		m.ticket[t] = m.waits
		m.waits++
	case opRelease:
		m.held[0] = false
	case opRelock:
		m.held[0] = true
		if in.b == 1 {
			m.pc[t] -= 5
		}
	case opSignal:
		m.wakes += min(1, m.waits-m.wakes)
	case opBroadcast:
		m.wakes = m.waits
	case opPut:
		m.full[in.v] = true
	case opTake:
		m.full[in.v] = false
	case opTryTake:
		m.observe(t, bit(m.full[in.v]))
		m.full[in.v] = false
	case opSpawn:
		m.pc[in.v] = 0
	case opIf:
		m.observe(t, *v)
		if *v != in.a {
			m.pc[t] += in.skip
		}
	case opPick:
		m.observe(t, pick)
		if pick == 0 {
			m.pc[t] += in.skip
		}
	}
}

func bit(b bool) uint32 {
	if b {
		return 1
	}
	return 0
}

// outcome is what can be told of a last state from outside: not where in a
// Wait a thread is, nor the tickets.
func (m machine) outcome(p program) machine {
	m.waits, m.wakes = 0, 0
	m.ticket, m.late = [nthreads]uint8{}, [nthreads]uint8{}
	for t, code := range p.code {
		pc := m.pc[t]
		if pc < 0 || int(pc) == len(code) || code[pc].op < opTicket || code[pc].op > opRelock {
			continue
		}
		for code[pc].op != opTicket {
			pc--
		}
		if code[pc+3].b == 1 {
			pc--
		}
		m.pc[t] = pc
	}
	return m
}

// all are the threads that can do something.
func (m *machine) all(p program, can func(p program, t int) bool) (ts []int) {
	for t := range p.code {
		if can(p, t) {
			ts = append(ts, t)
		}
	}
	return ts
}

// outcomes returns what all interleavings lead to, nil if there are too many
// states.
func (p program) outcomes(most int) map[machine]bool {
	out, been := map[machine]bool{}, map[machine]bool{}
	todo := []machine{p.start()}
	for len(todo) > 0 {
		m := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		can := m.all(p, m.enabled)
		if len(can) == 0 {
			can = m.all(p, m.last)
		}
		if len(can) == 0 {
			out[m.outcome(p)] = true
		}
		for _, t := range can {
			picks := uint32(1)
			if p.code[t][m.pc[t]].op == opPick {
				picks = 2
			}
			for pick := range picks {
				next := m
				next.step(p, t, pick)
				if !been[next] {
					been[next] = true
					todo = append(todo, next)
				}
			}
		}
		if len(been) > most {
			return nil
		}
	}
	return out
}

// world is an execution of a program by the explorer.
type world struct {
	machine // pc and seen of each thread

	p      program
	x      *explore.X
	vars   [nvars]atom.Uint32
	locks  [nlocks]atom.Mutex
	cond   *atom.Cond
	tokens [ntokens]atom.Token
	kids   [nthreads]*explore.Thread
}

// scenario is the program for the explorer. All threads are daemons, because
// programs that get stuck have an outcome too.
func (p program) scenario(out map[machine]bool) func(x *explore.X) {
	return func(x *explore.X) {
		w := &world{machine: p.start(), p: p, x: x}
		w.cond = atom.NewCond(&w.locks[0])
		for i := range w.tokens {
			w.tokens[i] = atom.NewToken()
			if p.full[i] {
				w.tokens[i].Signal()
			}
		}
		for t := range p.tops {
			w.kids[t] = x.Daemon(string(rune('0'+t)), func() { w.run(t) })
		}
		x.Check(func() {
			m := w.machine
			for i := range w.vars {
				m.vars[i] = w.vars[i].Load()
			}
			for i := range w.locks {
				m.held[i] = !w.locks[i].TryLock()
			}
			for i := range w.tokens {
				m.full[i] = w.tokens[i].TryWait()
			}
			out[m] = true
		})
	}
}

func (w *world) run(t int) {
	code := w.p.code[t]
	for int(w.pc[t]) < len(code) {
		in := code[w.pc[t]]
		w.pc[t] += w.do(t, in)
	}
}

// do executes an instruction and returns how far it is to the next one.
func (w *world) do(t int, in instr) int8 {
	v := &w.vars[in.v%nvars]
	is := func() bool { return v.Load() == in.a }
	spin := func(done func() bool) {
		for !done() {
			atom.Spin()
		}
	}
	switch in.op {
	case opLoad:
		w.observe(t, v.Load())
	case opStore:
		v.Store(in.a)
	case opAdd:
		w.observe(t, v.Add(in.a))
	case opCAS:
		w.observe(t, bit(v.CompareAndSwap(in.a, in.b)))
	case opSwap:
		w.observe(t, v.Swap(in.a))
	case opUntil:
		if in.b == 1 {
			spin(is)
		} else {
			explore.Block(is)
		}
	case opSpinCAS:
		spin(func() bool { return v.CompareAndSwap(in.a, in.b) })
	case opTimedVar:
		w.observe(t, bit(explore.BlockTimeout(is)))
	case opLock:
		if in.b == 1 {
			spin(w.locks[in.v].TryLock)
		} else {
			w.locks[in.v].Lock()
		}
	case opUnlock:
		w.locks[in.v].Unlock()
	case opTry:
		ok := w.locks[in.v].TryLock()
		w.observe(t, bit(ok))
		if !ok {
			return 1 + in.skip
		}
	case opLoop:
		for {
			now := v.Load()
			w.observe(t, now)
			if now == in.a {
				return 5
			}
			w.cond.Wait()
		}
	case opTicket:
		w.cond.Wait()
		return 4
	case opSignal:
		w.cond.Signal()
	case opBroadcast:
		w.cond.Broadcast()
	case opPut:
		w.tokens[in.v].Signal()
	case opTake:
		if in.b == 1 {
			spin(w.tokens[in.v].TryWait)
		} else {
			w.tokens[in.v].Wait()
		}
	case opTryTake:
		w.observe(t, bit(w.tokens[in.v].TryWait()))
	case opTimed:
		w.observe(t, bit(w.tokens[in.v].WaitTimeout(time.Hour)))
	case opSpawn:
		kid := int(in.v)
		w.pc[kid] = 0
		if in.b == 1 {
			atom.Go("kid", func() { w.run(kid) })
		} else {
			w.kids[kid] = w.x.Daemon("kid", func() { w.run(kid) })
		}
	case opJoin:
		w.kids[in.v].Join()
	case opIf:
		now := v.Load()
		w.observe(t, now)
		if now != in.a {
			return 1 + in.skip
		}
	case opPick:
		pick := uint32(w.x.Choose(2))
		w.observe(t, pick)
		if pick == 0 {
			return 1 + in.skip
		}
	}
	return 1
}

// differences describes how got is not want.
func differences(want, got map[machine]bool) string {
	s := ""
	for m := range want {
		if !got[m] {
			s += fmt.Sprintf("\nmissing:    %v", m)
		}
	}
	for m := range got {
		if !want[m] {
			s += fmt.Sprintf("\nimpossible: %v", m)
		}
	}
	return s
}

// compared counts the programs that a search has come to the end of.
type compared struct{ dfs, dpor, full, kept int }

// compare runs all three on a program. Those that are too big for a search
// are not compared.
func (n *compared) compare(t *testing.T, p program, name string) {
	t.Helper()
	want := p.outcomes(20_000)
	if want == nil {
		return
	}
	var executions [2]int
	for i, o := range []explore.Options{
		{Search: explore.DPOR, MaxExecutions: 2000},
		{Preemptions: explore.Unbounded, MaxExecutions: 1000},
	} {
		got := map[machine]bool{}
		res := explore.Run(o, p.scenario(got))
		where := fmt.Sprintf("%s, %v", name, o.Search)
		if res.Failure != nil {
			t.Fatalf("%s: %v\n%v", where, res.Failure, p)
		}
		if !res.Complete {
			// What it has seen must be possible nevertheless.
			for m := range want {
				got[m] = true
			}
		} else {
			executions[i] = res.Executions
		}
		if s := differences(want, got); s != "" {
			t.Errorf("%s: %d outcomes, there are %d\n%v%s", where, len(got), len(want), p, s)
		}
	}
	if executions[0] > 0 {
		n.dpor++
	}
	if executions[1] > 0 {
		n.dfs++
	}
	if executions[0] > 0 && executions[1] > 0 {
		n.kept += executions[0]
		n.full += executions[1]
	}
}

// environment is the number in an environment variable.
func environment(t *testing.T, name string, n uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return n
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

func TestOutcomesOfRandomPrograms(t *testing.T) {
	programs := uint64(2500)
	if testing.Short() || raceDetector {
		programs /= 20
	}
	seed := environment(t, "EVD_PROGRAMS_SEED", 1)
	programs = environment(t, "EVD_PROGRAMS", programs)
	var n compared
	for i := range programs {
		p := randomProgram(rand.New(rand.NewPCG(seed+i, 0)))
		n.compare(t, p, fmt.Sprintf("EVD_PROGRAMS_SEED=%d EVD_PROGRAMS=1", seed+i))
		if t.Failed() {
			return
		}
	}
	t.Logf("%d programs: %d compared with DPOR, %d with DFS; %d executions with it, %d with DPOR",
		programs, n.dpor, n.dfs, n.full, n.kept)
	if programs >= 100 && (n.dpor < int(programs)*9/10 || n.dfs < int(programs)*3/4) {
		t.Fatal("too few programs were small enough")
	}
}

// both runs a test with either search.
func both(t *testing.T, test func(t *testing.T, o explore.Options)) {
	t.Helper()
	for _, o := range []explore.Options{{Preemptions: explore.Unbounded}, {Search: explore.DPOR}} {
		t.Run(o.Search.String(), func(t *testing.T) { test(t, o) })
	}
}

// deadlocks checks that a scenario can get stuck, and in no other way fails.
func deadlocks(t *testing.T, o explore.Options, body func(x *explore.X)) {
	t.Helper()
	if f := explore.MustFail(t, o, body).Failure; !strings.HasPrefix(f.Reason, "deadlock") {
		t.Fatal(f)
	}
}

// A wake-up is lost when it comes between the look and the wait. The lock
// prevents that, if the change is made under it.
func TestLostWakeup(t *testing.T) {
	scenario := func(lock, wakeInside bool) func(x *explore.X) {
		return func(x *explore.X) {
			var m atom.Mutex
			var done atom.Uint32
			c := atom.NewCond(&m)
			x.Go("waiter", func() {
				m.Lock()
				for done.Load() == 0 {
					c.Wait()
				}
				m.Unlock()
			})
			x.Go("waker", func() {
				if lock {
					m.Lock()
				}
				done.Store(1)
				if wakeInside {
					c.Broadcast()
				}
				if lock {
					m.Unlock()
				}
				if !wakeInside {
					c.Broadcast()
				}
			})
		}
	}
	both(t, func(t *testing.T, o explore.Options) {
		deadlocks(t, o, scenario(false, false))
		explore.Test(t, o, scenario(true, false))
		explore.Test(t, o, scenario(true, true))
	})
}

// A Broadcast before the Wait wakes nobody.
func TestBroadcastBeforeWait(t *testing.T) {
	both(t, func(t *testing.T, o explore.Options) {
		deadlocks(t, o, func(x *explore.X) {
			var m atom.Mutex
			c := atom.NewCond(&m)
			x.Go("waiter", func() {
				m.Lock()
				c.Wait()
				m.Unlock()
			})
			x.Go("waker", c.Broadcast)
		})
	})
}

// A Signal may coalesce with the one before it, so that one timed wait takes
// both, or come after that.
func TestTimedWaitTakesCoalescedToken(t *testing.T) {
	both(t, func(t *testing.T, o explore.Options) {
		seen := map[bool]bool{}
		scenario := func(check func(x *explore.X, left bool)) func(x *explore.X) {
			return func(x *explore.X) {
				k := atom.NewToken()
				k.Signal()
				x.Go("waiter", func() { k.WaitTimeout(time.Hour) })
				x.Go("waker", k.Signal)
				x.Check(func() { check(x, k.TryWait()) })
			}
		}
		explore.Test(t, o, scenario(func(_ *explore.X, left bool) { seen[left] = true }))
		if len(seen) != 2 {
			t.Errorf("a token is left: only %v", seen)
		}
		explore.MustFail(t, o, scenario(func(x *explore.X, left bool) {
			if !left {
				x.Failf("coalesced and taken")
			}
		}))
	})
}

// A wake-up without a waiter only reads. When it is taken for a write to
// decide who sleeps, but not to decide who must be tried, outcomes are lost:
// see dpor.reverse.
func TestSleeperWokenInVain(t *testing.T) {
	var n compared
	n.compare(t, program{tops: 2, code: [][]instr{
		{{op: opBroadcast}},
		{
			{op: opLock},
			{op: opSpawn, v: 2},
			{op: opLoop, v: 1},
			{op: opTicket},
			{op: opRelease},
			{op: opSleep},
			{op: opRelock, b: 1},
		},
		{{op: opSignal}, {op: opSpawn, v: 3}},
		{{op: opStore, v: 1, a: 1}},
	}}, t.Name())
	if n.dpor != 1 || n.dfs != 1 {
		t.Fatal("not compared")
	}
}
