package explore

import "math/bits"

// dpor enumerates one representative of each class of interleavings that
// differ only in the order of independent operations: dynamic partial-order
// reduction with source sets and sleep sets (Abdulla, Aronis, Jonsson,
// Sagonas, "Optimal dynamic partial order reduction", POPL 2014, algorithm 1).
//
// An event is what a thread does in one turn: from one decision to the next.
// Two events of different threads are dependent when both use one location
// and one of them writes it. A wait on a condition that the explorer cannot
// see into depends on every write.
//
// Threads that wait take part as threads that look and go to rest: each look
// is an event. So the race of a look with the write before it needs no
// reversal when the thread rested at that time: it had looked before.
//
// Invariant: path[:pos] are the decisions of this execution, events the turns
// that are over, and the last decision's turn, if open, is running.
type dpor struct {
	path []node
	pos  int

	events []turn
	open   bool // a turn is running
	node   int  // its decision
	who    int  // its thread

	// What the running turn has used so far.
	uses  []use
	wrote bool
	wild  bool

	hist    []history        // by location
	last    [maxThreads]int  // last event of each thread, -1: none
	lastW   [maxThreads]int  // last of them that wrote
	lastAny [maxThreads]int  // last of them that depends on every write
	birth   [maxThreads]int  // the event that started the thread
	deps    []int            // scratch
	first   [maxThreads]turn // scratch
}

// node is one decision.
type node struct {
	hash      uint32
	enabled   uint32 // threads that could run, as bits
	backtrack uint32 // threads that must be tried
	done      uint32 // threads that have been
	sleep     uint32 // threads whose turn would lead to what has been seen
	cur       uint8  // the thread, or the value of a choice
	n         uint8  // possibilities
	pick      uint8  // which of them cur was
	choice    bool   // a value, not a thread
}

// turn is an event. vc says how much of each thread happened before it.
type turn struct {
	thread int
	node   int
	seq    uint32
	vc     vclock
}

// use is a location used by a turn.
type use struct {
	l     *loc
	write bool
}

// history is what has happened to a location: the last write, and the reads
// since.
type history struct {
	write int
	reads []int
}

func (d *dpor) begin() {
	d.pos, d.open = 0, false
	d.events = d.events[:0]
	d.clearTurn()
	d.hist = d.hist[:0]
	for i := range maxThreads {
		d.last[i], d.lastW[i], d.lastAny[i], d.birth[i] = -1, -1, -1, -1
	}
}

func (d *dpor) clearTurn() { d.uses, d.wrote, d.wild = d.uses[:0], false, false }

// used notes an access of the running turn.
func (d *dpor) used(l *loc, write bool) {
	if !d.open {
		return
	}
	d.wrote = d.wrote || write
	for i := range d.uses {
		if d.uses[i].l == l {
			d.uses[i].write = d.uses[i].write || write
			return
		}
	}
	d.uses = append(d.uses, use{l, write})
}

// born notes that the running turn started a thread.
func (d *dpor) born(t *Thread) {
	if d.open {
		d.birth[t.id] = len(d.events)
	}
}

// next decides whose turn it is. It returns -1 when every possibility leads
// to what has been seen.
func (d *dpor) next(x *X, n int, rescue bool) int {
	sleep := d.close(x)
	if rescue {
		sleep = 0
	}
	var enabled uint32
	for _, t := range x.options[:n] {
		enabled |= 1 << t.id
	}
	if d.pos == len(d.path) {
		v := node{hash: x.hash, enabled: enabled, sleep: sleep, n: uint8(n)}
		free := enabled &^ sleep
		if free == 0 {
			x.redundant = true
			return -1
		}
		v.cur = uint8(bits.TrailingZeros32(free))
		if t := x.options[0].id; free&(1<<t) != 0 {
			v.cur = uint8(t) // fewer switches are easier to read
		}
		v.backtrack = 1 << v.cur
		if rescue {
			v.backtrack = enabled
		}
		d.path = append(d.path, v)
	}
	v := &d.path[d.pos]
	if v.choice || v.enabled != enabled || v.hash != x.hash {
		x.notDeterministic(d.pos, int(v.n), n, v.hash)
	}
	d.open, d.node, d.who = true, d.pos, int(v.cur)
	d.wild = rescue
	d.pos++
	for i, t := range x.options[:n] {
		if t.id == d.who {
			v.pick = uint8(i)
		}
	}
	return int(v.pick)
}

func (d *dpor) choose(x *X, n int) int {
	if d.pos == len(d.path) {
		d.path = append(d.path, node{hash: x.hash, n: uint8(n), choice: true})
	}
	v := &d.path[d.pos]
	if !v.choice || int(v.n) != n || v.hash != x.hash {
		x.notDeterministic(d.pos, int(v.n), n, v.hash)
	}
	d.pos++
	return int(v.cur)
}

func (d *dpor) progress() {}
func (d *dpor) idle()     {}
func (d *dpor) left() int { return len(d.path) - d.pos }

// advance moves to the next execution; false when there is none.
func (d *dpor) advance() bool {
	for i := len(d.path) - 1; i >= 0; i-- {
		v := &d.path[i]
		if v.choice {
			if v.cur+1 < v.n {
				v.cur++
				d.path = d.path[:i+1]
				return true
			}
			continue
		}
		v.done |= 1 << v.cur
		if todo := v.backtrack &^ v.done &^ v.sleep; todo != 0 {
			v.cur = uint8(bits.TrailingZeros32(todo))
			d.path = d.path[:i+1]
			return true
		}
	}
	return false
}

func (d *dpor) picks() []uint8 {
	var p []uint8
	for _, v := range d.path[:d.pos] {
		switch {
		case v.choice:
			p = append(p, v.cur)
		case v.n > 1:
			p = append(p, v.pick)
		}
	}
	return p
}

// close ends the running turn: its place in the order, its races, and who
// sleeps after it.
func (d *dpor) close(x *X) (sleep uint32) {
	if !d.open {
		return 0
	}
	d.open = false
	me := len(d.events)
	d.collect()
	prev := d.last[d.who]
	e := turn{thread: d.who, node: d.node, seq: 1}
	for _, i := range d.deps {
		e.vc.join(&d.events[i].vc, len(x.threads))
	}
	if prev >= 0 {
		e.seq = d.events[prev].seq + 1
	}
	e.vc[d.who] = e.seq
	d.events = append(d.events, e)
	for _, i := range d.deps {
		if o := &d.events[i]; o.thread != d.who && i != d.birth[d.who] && d.immediate(i) {
			d.reverse(i, me)
		}
	}
	d.record(me)
	sleep = d.sleepers(x)
	d.clearTurn()
	return sleep
}

// collect finds the events that the running turn depends on directly.
func (d *dpor) collect() {
	d.deps = d.deps[:0]
	for _, i := range []int{d.last[d.who], d.birth[d.who]} {
		d.dependOn(i)
	}
	for _, u := range d.uses {
		for len(d.hist) <= u.l.id {
			if n := len(d.hist); n < cap(d.hist) {
				d.hist = d.hist[:n+1]
				d.hist[n] = history{write: -1, reads: d.hist[n].reads[:0]}
			} else {
				d.hist = append(d.hist, history{write: -1})
			}
		}
		h := &d.hist[u.l.id]
		d.dependOn(h.write)
		if u.write {
			for _, i := range h.reads {
				d.dependOn(i)
			}
		}
	}
	for t := range maxThreads {
		if d.wild {
			d.dependOn(d.lastW[t])
		}
		if d.wrote {
			d.dependOn(d.lastAny[t])
		}
	}
}

func (d *dpor) dependOn(event int) {
	if event < 0 {
		return
	}
	for _, i := range d.deps {
		if i == event {
			return
		}
	}
	d.deps = append(d.deps, event)
}

// immediate tells whether nothing stands between event i and the last one.
func (d *dpor) immediate(i int) bool {
	e := &d.events[i]
	for _, j := range d.deps {
		if j != i && d.events[j].vc[e.thread] >= e.seq {
			return false
		}
	}
	return true
}

// reverse sees to it that the turn me is also tried before event i, by one of
// those who can begin what is between them and does not follow from i.
func (d *dpor) reverse(i, me int) {
	e := &d.events[i]
	var seen, initials uint32
	for j := i + 1; j <= me; j++ {
		v := &d.events[j]
		if seen&(1<<v.thread) != 0 || j != me && v.vc[e.thread] >= e.seq {
			continue
		}
		ok := true
		for m := seen; m != 0; m &= m - 1 {
			t := bits.TrailingZeros32(m)
			ok = ok && v.vc[t] < d.first[t].seq
		}
		seen |= 1 << v.thread
		d.first[v.thread].seq = v.seq
		if ok {
			initials |= 1 << v.thread
		}
	}
	v := &d.path[e.node]
	// What begins with a thread that sleeps has been seen. But wakes errs on
	// the side of waking, so one may have had its turn here though nothing
	// that it depends on was before it; that says nothing of the rest, unless
	// me follows from it.
	asleep := initials & (v.sleep | v.done)
	for m := asleep; m != 0; m &= m - 1 {
		if t := bits.TrailingZeros32(m); d.events[me].vc[t] >= d.first[t].seq {
			return
		}
	}
	initials &^= asleep
	if initials&v.backtrack != 0 {
		return
	}
	// Nobody: the thread rested then, see the type's comment.
	if q := initials & v.enabled; q != 0 {
		v.backtrack |= q & -q
	}
}

// record notes what the turn has used.
func (d *dpor) record(me int) {
	for _, u := range d.uses {
		h := &d.hist[u.l.id]
		if u.write {
			h.write, h.reads = me, h.reads[:0]
		} else {
			h.reads = append(h.reads, me)
		}
	}
	d.last[d.who] = me
	if d.wrote {
		d.lastW[d.who] = me
	}
	if d.wild {
		d.lastAny[d.who] = me
	}
}

// sleepers are the threads that sleep after the turn: those that slept before
// it, or were tried in its place, and whose next turn does not depend on it.
func (d *dpor) sleepers(x *X) (sleep uint32) {
	v := &d.path[d.node]
	for m := (v.sleep | v.done) &^ (1 << d.who); m != 0; m &= m - 1 {
		i := bits.TrailingZeros32(m)
		if !d.wakes(x.threads[i]) {
			sleep |= 1 << i
		}
	}
	return sleep
}

// wakes tells whether the turn that ends depends on t's next one.
func (d *dpor) wakes(t *Thread) bool {
	switch t.plan {
	case planLocal:
		return false
	case planAny: // what it looks at, it may then change
		return d.wild || len(d.uses) > 0
	}
	writes := t.kind.writes()
	if d.wild && writes {
		return true
	}
	for _, u := range d.uses {
		if u.l == t.l && (u.write || writes) {
			return true
		}
	}
	return false
}
