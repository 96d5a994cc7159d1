package explore

import (
	"fmt"
	"math/rand/v2"
)

// strategy decides. What it may look at is X.options, and the next operation
// (plan, l, kind) of each thread.
type strategy interface {
	// next picks one of x.options[:n], n > 0, whose turn it is; -1 ends the
	// execution. Provisional choices are about the order of threads that will
	// probably do nothing.
	next(x *X, n int, provisional bool) int
	// choose returns a number below n > 1.
	choose(x *X, n int) int
	// progress makes the provisional choices since the last idle count.
	progress()
	// idle forgets them.
	idle()
	// picks returns the decisions of the execution, for the replay string.
	picks() []uint8
}

// choice is one decision.
type choice struct {
	hash        uint32 // of everything before it, to notice non-determinism
	n, pick     uint8
	provisional bool
}

// lookFor helps with scenarios that are not deterministic.
const lookFor = "look for time, random numbers, map order, goroutines, and state kept between executions"

// notDeterministic fails an execution that differs from an earlier one with
// the same decisions.
func (x *X) notDeterministic(decisions, was, now int, hash uint32) {
	x.fail(fmt.Sprintf("the scenario is not deterministic: the same %d decisions led to %d possibilities after operations %08x, "+
		"now to %d after operations %08x; %s", decisions, was, hash, now, x.hash, lookFor))
}

// dfs enumerates the tree of decisions, depth first.
type dfs struct {
	path []choice
	pos  int
	prov int // entries of path before it are not waiting for progress
	none bool
}

func (d *dfs) next(x *X, n int, provisional bool) int {
	if n == 1 {
		return 0
	}
	return d.decide(x, n, provisional)
}

func (d *dfs) choose(x *X, n int) int { return d.decide(x, n, false) }

func (d *dfs) decide(x *X, n int, provisional bool) int {
	if d.pos == len(d.path) {
		d.path = append(d.path, choice{hash: x.hash, n: uint8(n), provisional: provisional})
	}
	c := &d.path[d.pos]
	if int(c.n) != n || c.hash != x.hash {
		x.notDeterministic(d.pos, int(c.n), n, c.hash)
	}
	d.pos++
	if provisional {
		d.none = false
	}
	return int(c.pick)
}

func (d *dfs) progress() {
	if d.none {
		return
	}
	for i := d.prov; i < d.pos; i++ {
		d.path[i].provisional = false
	}
	d.idle()
}

func (d *dfs) idle() { d.prov, d.none = d.pos, true }

// begin prepares the next execution.
func (d *dfs) begin() { d.pos, d.prov, d.none = 0, 0, true }

func (d *dfs) left() int { return len(d.path) - d.pos }

// advance moves to the next leaf; false when there is none.
func (d *dfs) advance() bool {
	for i := len(d.path) - 1; i >= 0; i-- {
		c := &d.path[i]
		if !c.provisional && c.pick+1 < c.n {
			c.pick++
			d.path = d.path[:i+1]
			return true
		}
	}
	return false
}

func (d *dfs) picks() []uint8 {
	p := make([]uint8, d.pos)
	for i := range p {
		p[i] = d.path[i].pick
	}
	return p
}

// fixed replays given decisions, and takes the first possibility after them.
type fixed struct {
	list []uint8
	pos  int
}

func (f *fixed) next(x *X, n int, _ bool) int {
	if n == 1 {
		return 0
	}
	return f.choose(x, n)
}

func (f *fixed) choose(x *X, n int) int {
	f.pos++
	if f.pos > len(f.list) {
		return 0
	}
	p := int(f.list[f.pos-1])
	if p >= n {
		x.fail(fmt.Sprintf("%s: decision %d is %d, but there are %d possibilities; %s", misfit, f.pos, p, n, misfitWhy))
	}
	return p
}

// left is how many decisions the execution did not come to.
func (f *fixed) left() int { return max(0, len(f.list)-f.pos) }

const (
	misfit    = "the replay string does not fit"
	misfitWhy = "the code has changed, or the scenario is not deterministic"
)

func (f *fixed) progress()      {}
func (f *fixed) idle()          {}
func (f *fixed) picks() []uint8 { return f.list }

// random decides by a generator.
type random struct {
	r    *rand.Rand
	list []uint8
}

func (r *random) begin() { r.list = r.list[:0] }

func (r *random) next(x *X, n int, _ bool) int {
	if n == 1 {
		return 0
	}
	return r.choose(x, n)
}

func (r *random) choose(_ *X, n int) int {
	i := r.r.IntN(n)
	r.list = append(r.list, uint8(i))
	return i
}

func (r *random) progress()      {}
func (r *random) idle()          {}
func (r *random) picks() []uint8 { return r.list }
