package main

import "time"

// On a shared machine a core may have less than its whole self for milliseconds at a
// time: the other hyperthread of it belongs to somebody else, and nothing here tells
// when that one works. What keeps many units of a core busy slows down by up to half
// then, what waits for one locked operation after the other hardly, so a ratio of the two
// is not what it is on a core of one's own. calm finds out, by a loop of the first kind.

// slowed is how much slower than the fastest a core may be and still count as whole.
const slowed = 1.25

// calm compares the cores with the fastest that they were.
//
// Concurrency: one goroutine.
type calm struct{ fastest time.Duration }

// newCalm looks for as long as it takes to meet a quiet moment, about: 50 ms.
func newCalm() *calm {
	c := new(calm)
	for began := time.Now(); time.Since(began) < 50*time.Millisecond; {
		c.whole()
	}
	return c
}

// whole reports whether the cores run at full speed now. It takes 20 us or so.
func (c *calm) whole() bool {
	if !twoCores() {
		return c.noted(effortOf())
	}
	var took [2]time.Duration
	together(func() { took[0] = effortOf() }, func() { took[1] = effortOf() })
	first, second := c.noted(took[0]), c.noted(took[1])
	return first && second
}

func (c *calm) noted(took time.Duration) bool {
	if c.fastest == 0 || took < c.fastest {
		c.fastest = took
	}
	return float64(took) <= slowed*float64(c.fastest)
}

// effortOf times the loop: six chains that do not wait for each other.
func effortOf() time.Duration {
	began := time.Now()
	_ = chains(20_000) // not inlined, so it is done
	return time.Since(began)
}

//go:noinline
func chains(n uint64) uint64 {
	a, b, c, d, e, f := uint64(1), uint64(2), uint64(3), uint64(4), uint64(5), uint64(6)
	for i := range n {
		a += i
		b ^= i
		c += i ^ 3
		d -= i
		e += i << 1
		f ^= i + 7
	}
	return a + b + c + d + e + f
}
