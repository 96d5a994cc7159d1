package timer

import (
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
	"github.com/evdengine/evd/internal/param"
)

func TestConformance(t *testing.T) {
	for name, d := range map[string]time.Duration{"at once": 0, "soon": 100 * time.Microsecond} {
		t.Run(name, func(t *testing.T) {
			cqtest.Run(t, cqtest.Driver{Quiet: 2 * time.Millisecond, GuardsPoll: true, GuardsWait: true, Open: func(depth int) (*cqtest.Bed, error) {
				c, err := New(Config{Depth: depth})
				if err != nil {
					return nil, err
				}
				return &cqtest.Bed{CQ: c, Complete: func(wrids ...uint64) error {
					for _, id := range wrids {
						if _, err := c.After(d, id); err != nil {
							return err
						}
					}
					return nil
				}}, nil
			}})
		})
	}
}

func open(t testing.TB, depth int) *CQ {
	c, err := New(Config{Depth: depth})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	return c
}

func polled(c *CQ) (out [][2]uint64) {
	dst := make([]hwcq.WC, 3)
	for {
		n := c.Poll(dst)
		if n == 0 {
			return out
		}
		for _, wc := range dst[:n] {
			out = append(out, [2]uint64{wc.WRID, uint64(wc.ByteLen)})
		}
	}
}

// in runs f under the fake clock.
func in(t *testing.T, depth int, f func(t *testing.T, c *CQ)) {
	synctest.Test(t, func(t *testing.T) { f(t, open(t, depth)) })
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestOrderIsThatOfTime(t *testing.T) {
	in(t, 100, func(t *testing.T, c *CQ) {
		var want []uint64
		delays := rand.New(rand.NewPCG(1, 1)).Perm(50)
		for i, d := range append(delays, delays...) { // each time twice: ties go by start
			_, err := c.After(time.Duration(d)*time.Second, uint64(d*1000+i))
			require.NoError(t, err)
			want = append(want, uint64(d*1000+i))
		}
		slices.Sort(want)
		pass(time.Hour)
		var got []uint64
		for _, p := range polled(c) {
			require.EqualValues(t, 1, p[1])
			got = append(got, p[0])
		}
		require.Equal(t, want, got)
	})
}

func TestAfterIsNotEarly(t *testing.T) {
	in(t, 4, func(t *testing.T, c *CQ) {
		_, err := c.After(time.Second, 7)
		require.NoError(t, err)
		_, err = c.Arm(false)
		require.NoError(t, err)
		pass(time.Second - 1)
		require.False(t, c.Pending())
		began := time.Now()
		event, err := c.Events().Wait()
		require.NoError(t, err)
		require.True(t, event)
		require.Equal(t, time.Duration(1), time.Since(began))
		require.Equal(t, [][2]uint64{{7, 1}}, polled(c))
	})
}

func TestEveryCoalesces(t *testing.T) {
	in(t, 2, func(t *testing.T, c *CQ) {
		id, err := c.Every(time.Second, 9)
		require.NoError(t, err)
		pass(time.Second)
		require.Equal(t, [][2]uint64{{9, 1}}, polled(c))
		pass(3500 * time.Millisecond) // at 4.5
		require.Equal(t, [][2]uint64{{9, 3}}, polled(c))
		pass(500 * time.Millisecond) // no drift
		require.Equal(t, [][2]uint64{{9, 1}}, polled(c))
		pass(time.Second)
		require.True(t, c.Stop(id))
		require.False(t, c.Stop(id))
		pass(time.Minute)
		require.Len(t, c.free, 1, "its place too")
		require.Equal(t, [][2]uint64{{9, 1}}, polled(c), "what had completed stays")
		require.Len(t, c.free, 2)
		require.False(t, c.Stop(id))
	})
}

// A timer the runtime was late for counts what it slept over.
func TestLateEvery(t *testing.T) {
	c := open(t, 1)
	_, err := c.Every(time.Hour, 1)
	require.NoError(t, err)
	c.mu.Lock()
	c.expire(time.Now().Add(5*time.Hour + time.Minute))
	c.mu.Unlock()
	require.Equal(t, [][2]uint64{{1, 5}}, polled(c))
	require.InDelta(t, 6*time.Hour, time.Until(c.slots[c.due[0]].when), float64(time.Minute))
	for range 2 { // more than ByteLen counts
		c.mu.Lock()
		c.slots[c.due[0]].expired = 1<<32 - 3
		c.ready.push(c.due[0])
		c.expire(c.slots[c.due[0]].when.Add(5*time.Hour + time.Minute))
		c.mu.Unlock()
		require.Equal(t, [][2]uint64{{1, 1<<32 - 1}}, polled(c))
	}
}

func TestStop(t *testing.T) {
	in(t, 20, func(t *testing.T, c *CQ) {
		var ids []ID
		for i := range 20 {
			id, err := c.After(time.Duration(20-i)*time.Second, uint64(i))
			require.NoError(t, err)
			ids = append(ids, id)
		}
		_, err := c.After(0, 0)
		require.ErrorIs(t, err, hwcq.ErrFull)
		for _, i := range []int{3, 19, 0, 7} { // the first due, the last, two between
			require.True(t, c.Stop(ids[i]))
			require.False(t, c.Stop(ids[i]))
		}
		again, err := c.After(time.Hour, 99) // in a slot used before
		require.NoError(t, err)
		require.False(t, c.Stop(ids[7]), "an old ID stops nobody else")
		require.False(t, c.Stop(ID{}))
		require.False(t, c.Stop(ID{slot: 1 << 30, serial: 1}))
		pass(time.Minute)
		require.Len(t, polled(c), 16)
		require.False(t, c.Stop(ids[4]), "it has completed")
		require.True(t, c.Stop(again))
		require.Len(t, c.free, 20)
	})
}

func TestCloseStopsAll(t *testing.T) {
	in(t, 4, func(t *testing.T, c *CQ) {
		id, err := c.Every(time.Second, 1)
		require.NoError(t, err)
		require.NoError(t, c.Close())
		pass(time.Minute)
		require.False(t, c.Stop(id))
		_, err = c.After(0, 1)
		require.ErrorIs(t, err, hwcq.ErrClosed)
		c.ring() // one that was on its way
		require.Zero(t, c.ready.n)
	})
}

func TestParameters(t *testing.T) {
	for _, depth := range []int{-1, MaxDepth + 1} {
		_, err := New(Config{Depth: depth})
		require.ErrorIs(t, err, param.ErrInvalid)
	}
	c := open(t, 0)
	require.Equal(t, DefaultDepth, c.Capabilities().Depth)
	for _, d := range []time.Duration{-1, 0, MinPeriod - 1} {
		_, err := c.Every(d, 1)
		require.ErrorIs(t, err, param.ErrInvalid)
	}
	_, err := c.After(-time.Second, 5)
	require.NoError(t, err)
	require.Equal(t, [][2]uint64{{5, 1}}, polled(c), "at once")
}

func TestNoAllocations(t *testing.T) {
	c := open(t, 8)
	dst := make([]hwcq.WC, 8)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = c.After(0, 1)
		id, _ := c.After(time.Hour, 2)
		_, _ = c.Arm(false)
		c.Poll(dst)
		c.Stop(id)
	}))
}

func BenchmarkAfterStop(b *testing.B) {
	c := open(b, 1024)
	for range 1000 {
		_, _ = c.After(time.Hour, 1)
	}
	b.ReportAllocs()
	for b.Loop() {
		id, _ := c.After(time.Minute, 1)
		c.Stop(id)
	}
}
