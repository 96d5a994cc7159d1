package bench

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWRID(t *testing.T) {
	for _, p := range []int{0, 1, 7, MaxProducers - 1} {
		for _, seq := range []uint64{0, 1, seqMask} {
			gp, gs := SplitWRID(WRID(p, seq))
			assert.Equal(t, p, gp)
			assert.Equal(t, seq, gs)
		}
	}
}

func TestProducer(t *testing.T) {
	p := Producer{ID: 3}
	assert.Equal(t, WRID(3, 0), p.Next())
	p.Offered(1, 0)
	assert.Equal(t, WRID(3, 0), p.Next(), "a rejected event is offered again under its number")
	p.Offered(5, 2)
	assert.Equal(t, WRID(3, 2), p.Next())
	assert.Equal(t, WRID(3, 6), p.At(4))
	assert.Equal(t, Producer{ID: 3, Attempted: 6, Accepted: 2, Rejected: 4}, p)
}

func seen(seqs ...uint64) Order {
	c := NewChecker(1)
	for _, s := range seqs {
		c.See(WRID(0, s))
	}
	return c.Producer(0)
}

func TestChecker(t *testing.T) {
	assert.Equal(t, Order{Seen: 4}, seen(0, 1, 2, 3))
	assert.Equal(t, Order{Seen: 3, Missing: 1}, seen(0, 2, 3), "lost")
	assert.Equal(t, Order{Seen: 3, Duplicates: 1}, seen(0, 1, 1), "doubled")
	assert.Equal(t, Order{Seen: 3, Duplicates: 2}, seen(0, 0, 0))
	assert.Equal(t, Order{Seen: 3, Reordered: 1}, seen(1, 0, 2), "swapped")
	assert.Equal(t, Order{Seen: 4, Reordered: 3}, seen(3, 0, 1, 2))
	assert.Equal(t, Order{Seen: 4, Reordered: 3}, seen(3, 2, 1, 0))
	assert.Equal(t, Order{Seen: 5, Reordered: 4}, seen(4, 1, 3, 0, 2), "a gap that is split")
	assert.Equal(t, Order{Seen: 4, Reordered: 2, Duplicates: 1, Missing: 1}, seen(3, 1, 1, 0))
}

func TestCheckerForeign(t *testing.T) {
	c := NewChecker(2)
	c.See(WRID(2, 0))
	c.See(WRID(MaxProducers-1, 5))
	c.See(WRID(1, 0))
	assert.EqualValues(t, 2, c.Foreign)
	assert.EqualValues(t, 3, c.Seen())
}

// Streams with random losses, doubles and swaps, against a model that
// remembers everything.
func TestCheckerAgainstModel(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 3000 {
		n := 1 + rng.IntN(40)
		var out []uint64
		for i := range n {
			for range []int{1, 1, 1, 1, 1, 1, 0, 2}[rng.IntN(8)] {
				out = append(out, uint64(i))
			}
		}
		for range rng.IntN(4) {
			if len(out) > 1 {
				i, j := rng.IntN(len(out)), rng.IntN(len(out))
				out[i], out[j] = out[j], out[i]
			}
		}
		got := map[uint64]bool{}
		var want Order
		top := -1
		for _, s := range out {
			want.Seen++
			switch {
			case got[s]:
				want.Duplicates++
			case int(s) < top:
				want.Reordered++
			}
			got[s] = true
			top = max(top, int(s))
		}
		want.Missing = uint64(n - len(got))
		c := NewChecker(1)
		for _, s := range out {
			c.See(WRID(0, s))
		}
		c.from[0].settle(uint64(n))
		assert.Equal(t, want, c.Producer(0), "%v of %d", out, n)
	}
}

// Beyond the bound on its memory the checker still reports the violation, if
// not its exact kind.
func TestCheckerIsBounded(t *testing.T) {
	c := NewChecker(1)
	for i := range uint64(4 * maxGaps) {
		c.See(WRID(0, 2*i+1))
	}
	assert.LessOrEqual(t, len(c.from[0].gaps), maxGaps)
	o := c.Producer(0)
	assert.EqualValues(t, 4*maxGaps, o.Missing)
	c.See(WRID(0, 8*maxGaps-2))
	assert.EqualValues(t, 1, c.Producer(0).Duplicates)
}

func TestSeeDoesNotAllocate(t *testing.T) {
	c, seq := NewChecker(2), uint64(0)
	assert.Zero(t, testing.AllocsPerRun(1000, func() {
		c.See(WRID(0, seq))
		c.See(WRID(1, seq))
		seq++
	}))
}

func BenchmarkSee(b *testing.B) {
	c, seq := NewChecker(1), uint64(0)
	b.ReportAllocs()
	for b.Loop() {
		c.See(seq)
		seq++
	}
}
