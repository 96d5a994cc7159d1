package explore

import "math/rand/v2"

// pct runs the thread with the highest priority, and lowers that of the
// running one at Depth-1 random steps (Burckhardt, Kothari, Musuvathi,
// Nagarakatte, "A randomized scheduler with probabilistic guarantees of
// finding bugs", ASPLOS 2010). With n threads and k steps an execution finds
// a bug that needs d ordering constraints with a chance of at least
// 1/(n*k^(d-1)).
type pct struct {
	r      *rand.Rand
	depth  int
	length int // steps of the longest execution so far
	list   []uint8
	prio   [maxThreads]int // 0: none yet
	change []int           // steps, not sorted
	step   int
}

func (p *pct) begin() {
	p.list, p.step, p.prio = p.list[:0], 0, [maxThreads]int{}
	p.change = p.change[:0]
	for range p.depth - 1 {
		p.change = append(p.change, 1+p.r.IntN(max(p.length, 1)))
	}
}

func (p *pct) next(x *X, n int, _ bool) int {
	p.step++
	p.length = max(p.length, p.step)
	// Whoever would run is the one that loses its priority here.
	best := p.best(x, n)
	for i, s := range p.change {
		if s == p.step {
			p.prio[x.options[best].id] = -1 - i
			best = p.best(x, n)
		}
	}
	if n > 1 {
		p.list = append(p.list, uint8(best))
	}
	return best
}

// best is the place in x.options of the thread with the highest priority.
func (p *pct) best(x *X, n int) int {
	b := 0
	for i, t := range x.options[:n] {
		for p.prio[t.id] == 0 {
			p.prio[t.id] = 1 + p.r.IntN(1<<30)
		}
		if p.prio[t.id] > p.prio[x.options[b].id] {
			b = i
		}
	}
	return b
}

func (p *pct) choose(_ *X, n int) int {
	i := p.r.IntN(n)
	p.list = append(p.list, uint8(i))
	return i
}

func (p *pct) progress()      {}
func (p *pct) idle()          {}
func (p *pct) picks() []uint8 { return p.list }
