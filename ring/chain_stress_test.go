package ring

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/atom"
)

// What goroutines see of a chain that is resized on real processors is what they
// could have seen of a sequential queue.
func TestChainLinear(t *testing.T) {
	for seed := range uint64(150) {
		c := newChain[byte](t, 1+int(seed%2)*3)
		g := rand.New(rand.NewPCG(seed, 99))
		sizes := []int{1, 2, 4, 8}
		ops := linearRoundWith(asQueue(c), c.Cap(), seed, seed%3 == 0, func(c *client) { c.resize(sizes[g.IntN(4)]) })
		if !porcupine.CheckOperations(linModel(1+int(seed%2)*3, 1000), ops) {
			t.Fatalf("seed %d: not linearizable:%s", seed, describe(ops))
		}
	}
}

// Producers, a consumer and one who resizes all the time: every event comes out
// once, each producer's in order, and the chain does not grow.
func TestChainStress(t *testing.T) {
	const producers, each = 4, 20000
	type item struct{ by, n int }
	c := newChain[item](t, 4)
	var wg sync.WaitGroup
	for by := range producers {
		wg.Go(func() {
			for n := 0; n < each; {
				if c.Push(&item{by, n}) == OK {
					n++
				} else {
					runtime.Gosched()
				}
			}
		})
	}
	var stop atom.Bool
	var resizes atom.Counter
	var resizer sync.WaitGroup
	resizer.Go(func() {
		g := rand.New(rand.NewPCG(1, 2))
		for !stop.Load() {
			if _, st, _ := c.Resize(1+g.IntN(40), 0); st == OK {
				resizes.Add(1)
			}
			runtime.Gosched()
		}
	})
	var next [producers]int
	buf := make([]item, 16)
	for got := 0; got < producers*each; {
		n := c.PopN(buf)
		for _, v := range buf[:n] {
			if v.n != next[v.by] {
				t.Errorf("producer %d: %d, want %d", v.by, v.n, next[v.by])
			}
			next[v.by]++
		}
		if got += n; n == 0 {
			runtime.Gosched()
		}
	}
	wg.Wait()
	stop.Store(true)
	resizer.Wait()
	require.Equal(t, Empty, c.Look())
	require.Equal(t, uint64(producers*each), c.Accepted())
	require.Equal(t, 1, c.rings())
	t.Logf("%d resizes", resizes.Load())
}
