package mock

import (
	"math"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// Producers of numbered completions against one poller: nothing lost, nothing
// twice, each producer's in order. Ring sizes from one slot up.
func TestManyProducers(t *testing.T) {
	for _, depth := range []int{1, 4, 256} {
		for _, first := range []uint32{0, math.MaxUint32 - 1000} {
			const producers, each = 4, 4000
			c := open(t, Config{Depth: depth, FirstIndex: first})
			var wg sync.WaitGroup
			for p := range producers {
				wg.Go(func() { produce(t, c, uint64(p), each) })
			}
			var seen [producers]uint64
			out := make([]hwcq.WC, 16)
			for got := 0; got < producers*each; {
				n := c.Poll(out)
				for _, wc := range out[:n] {
					p := wc.WRID >> 32
					require.Equal(t, seen[p], wc.WRID&math.MaxUint32, "producer %d", p)
					require.Equal(t, wcs(wc.WRID, 1)[0], wc, "all of it")
					seen[p]++
				}
				if got += n; n == 0 {
					runtime.Gosched()
				}
			}
			wg.Wait()
			assert.False(t, c.Pending())
			assert.EqualValues(t, producers*each, c.Stats().Completions)
		}
	}
}

// produce stores n completions, in batches of 0, 1, 2, ... 5, again where the
// ring was full.
func produce(t *testing.T, c *CQ, p, n uint64) {
	for i := uint64(0); i < n; {
		k := min(int(i%6), int(n-i))
		in := wcs(p<<32|i, max(k, 1))
		if k <= 1 {
			stored, err := c.putOne(&in[0], false, false)
			assert.NoError(t, err)
			k = 0
			if stored {
				k = 1
			}
		} else {
			var err error
			k, err = c.put(in, false, false)
			assert.NoError(t, err)
		}
		if i += uint64(k); k == 0 {
			runtime.Gosched()
		}
	}
}

// The event protocol end to end: producers at work, a consumer that sleeps
// only after arm and an empty look, and that must never sleep for ever. The
// number of events is that of the arms that fired.
func TestEventDrivenConsumer(t *testing.T) {
	const producers, each = 3, 5000
	c := open(t, Config{Depth: 32})
	var wg sync.WaitGroup
	for p := range producers {
		wg.Go(func() { produce(t, c, uint64(p), each) })
	}
	out := make([]hwcq.WC, 8)
	count := func(*hwcq.WC) {}
	for got := 0; got < producers*each; {
		if got += drain(c, out, count); got == producers*each {
			break
		}
		_, err := c.Arm(false)
		require.NoError(t, err)
		if n := drain(c, out, count); n > 0 {
			got += n
			continue
		}
		event, err := c.Events().Wait()
		require.NoError(t, err)
		require.True(t, event)
	}
	wg.Wait()
	s := c.Stats()
	assert.LessOrEqual(t, s.EventsRaised, s.Arms)
	assert.GreaterOrEqual(t, s.Arms, s.EventsTaken)
}

// Pending beside a poller: when something is in the ring all the time it must
// never say no, when nothing is it must never say yes.
func TestPendingIsExact(t *testing.T) {
	const turns = 20_000
	c := open(t, Config{Depth: 4})
	stop := make(chan struct{})
	var wg sync.WaitGroup
	_, _ = c.Complete(hwcq.WC{}, false)
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if !assert.True(t, c.Pending()) {
					return
				}
			}
		}
	})
	out := make([]hwcq.WC, 1)
	for range turns { // one to three in the ring
		_, _ = c.Complete(hwcq.WC{}, false)
		require.Equal(t, 1, c.Poll(out))
	}
	close(stop)
	wg.Wait()
	require.Equal(t, 1, c.Poll(out))
	assert.False(t, c.Pending())
}
