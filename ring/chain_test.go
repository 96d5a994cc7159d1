package ring

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evdengine/evd/internal/param"
)

func newChain[T any](t testing.TB, capacity int) *Chain[T] {
	t.Helper()
	c, err := NewChain[T](capacity)
	require.NoError(t, err)
	return c
}

// resized is a Resize that must be done.
func resized[T any](t testing.TB, c *Chain[T], n int) {
	t.Helper()
	_, st, err := c.Resize(n, 0)
	require.NoError(t, err)
	require.Equal(t, OK, st)
	require.Equal(t, n, c.Cap())
}

// pushAll pushes first, first+1 .. until the chain is full, and returns how many
// went in.
func pushAll(c *Chain[int], first int) (n int) {
	for v := first; c.Push(&v) == OK; v++ {
		n++
	}
	return n
}

func TestChainBadSizes(t *testing.T) {
	for _, n := range []int{-1, 0, MaxCapacity + 1} {
		_, err := NewChain[int](n)
		require.ErrorIs(t, err, param.ErrInvalid)
		c := newChain[int](t, 2)
		_, _, err = c.Resize(n, 0)
		require.ErrorIs(t, err, param.ErrInvalid)
		require.ErrorContains(t, err, fmt.Sprint(n))
		require.Equal(t, 2, c.Cap())
		require.Equal(t, 1, c.rings())
	}
}

// Sizes of all kinds, exactly filled before and after: what is full is not taken
// for empty, nor the other way round.
func TestChainFill(t *testing.T) {
	sizes := []int{1, 2, 3, 4, 7, 8, 9}
	for _, from := range sizes {
		for _, to := range sizes {
			c := newChain[int](t, from)
			for range 3 { // so that it begins anywhere in the ring
				v := 0
				require.Equal(t, OK, c.Push(&v))
				require.Equal(t, Event, c.Pop(&v))
			}
			c.Return()
			n := pushAll(c, 1)
			require.GreaterOrEqual(t, n, from)
			require.Equal(t, n, c.Held())
			held, st, err := c.Resize(to, 0)
			require.NoError(t, err)
			if to < n && to < from {
				require.Equal(t, Full, st)
				require.Equal(t, n, held)
				require.Equal(t, from, c.Cap())
			} else {
				require.Equal(t, OK, st)
				require.Equal(t, to, c.Cap())
				m := pushAll(c, n+1)
				if to != from {
					require.GreaterOrEqual(t, m, to)
				} else {
					require.Zero(t, m)
				}
				n += m
			}
			require.Equal(t, n, c.Len())
			require.False(t, c.Idle())
			got := make([]int, n+1)
			require.Equal(t, n, c.PopN(got))
			for i := range n {
				require.Equal(t, i+1, got[i])
			}
			require.Equal(t, Empty, c.Look())
			require.True(t, c.Idle())
			require.Equal(t, uint64(n+3), c.Accepted())
		}
	}
}

// What is held decides whether it may shrink, with what the caller adds.
func TestChainBesides(t *testing.T) {
	c := newChain[int](t, 8)
	v := 1
	require.Equal(t, OK, c.Push(&v))
	held, st, err := c.Resize(2, 2)
	require.NoError(t, err)
	require.Equal(t, Full, st)
	require.Equal(t, 3, held)
	require.Equal(t, 8, c.Cap())
	resized(t, c, 2)
	resized(t, c, 1)
	require.Equal(t, Event, c.Pop(&v))
}

// However often it is resized with nobody at the other end, there are no more
// rings than those with something in them and two.
func TestChainLength(t *testing.T) {
	c := newChain[int](t, 1)
	for i := range 100 {
		resized(t, c, 2+i%2)
		require.LessOrEqual(t, c.rings(), 2)
	}
	filled := 0
	for i := range 30 {
		v := i
		require.Equal(t, OK, c.Push(&v))
		filled++
		for k := range 5 {
			resized(t, c, 100+10*i+k)
			require.LessOrEqual(t, c.rings(), filled+2)
		}
	}
	for i := range 30 {
		v := -1
		require.Equal(t, Event, c.Pop(&v))
		require.Equal(t, i, v)
	}
	require.Equal(t, Empty, c.Look())
	require.Equal(t, 1, c.rings())
}

// Counts go over all rings, and end where something is in flight.
func TestChainCounts(t *testing.T) {
	c := newChain[int](t, 2)
	require.Equal(t, 2, pushAll(c, 1))
	resized(t, c, 4)
	require.Equal(t, OK, c.PushN([]int{3, 4}))
	l, st := c.Reserve(1)
	require.Equal(t, OK, st)
	resized(t, c, 8)
	require.Equal(t, OK, c.PushN([]int{6}))
	require.Equal(t, 6, c.Len())
	require.Equal(t, 6, c.Held())
	require.Equal(t, 3, c.Committed(3))
	require.Equal(t, 4, c.Committed(10))
	*c.Slot(l, 0) = 5
	c.Commit(l)
	require.Equal(t, 1, l.Len())
	require.Equal(t, 6, c.Committed(10))
	require.Equal(t, 6, c.Committed(10))
	require.Equal(t, []int{1, 2}, c.Ready(9))
	c.Advance(1)
	require.Equal(t, []int{2}, c.Ready(9))
	c.Advance(1)
	require.Equal(t, []int{3, 4}, c.Ready(9)) // to the end of the slots
	c.Advance(9)
	require.Equal(t, []int{5}, c.Ready(9))
	c.Advance(9)
	c.Return()
	require.Equal(t, 1, c.Held())
	require.Equal(t, []int{6}, c.Ready(9))
	c.Advance(1)
	require.Nil(t, c.Ready(9))
	require.Equal(t, Empty, c.Look())
}

// The claim of a ring that was sealed meanwhile is good, and what is younger
// waits for it.
func TestChainSlowProducer(t *testing.T) {
	c := newChain[int](t, 2)
	l, st := c.ReserveUpTo(5)
	require.Equal(t, OK, st)
	require.Equal(t, 2, l.Len())
	resized(t, c, 4)
	resized(t, c, 16)
	v := 3
	require.Equal(t, OK, c.Push(&v))
	require.Equal(t, InFlight, c.Look())
	require.Equal(t, InFlight, c.Pop(&v))
	require.Zero(t, c.PopN(make([]int, 4)))
	require.Nil(t, c.Ready(4))
	require.Zero(t, c.Committed(4))
	*c.Slot(l, 0), *c.Slot(l, 1) = 1, 2
	c.Commit(l)
	got := make([]int, 4)
	require.Equal(t, 3, c.PopN(got))
	require.Equal(t, []int{1, 2, 3, 0}, got)
}

func TestChainClose(t *testing.T) {
	c := newChain[int](t, 2)
	require.Equal(t, 2, pushAll(c, 1))
	resized(t, c, 4)
	require.Equal(t, 4, pushAll(c, 3))
	c.Close()
	c.Close()
	v := 7
	require.Equal(t, Closed, c.Push(&v))
	require.Equal(t, Closed, c.PushN([]int{1, 2, 3, 4, 5, 6, 7}))
	require.Equal(t, OK, c.PushN(nil))
	_, st := c.Reserve(0)
	require.Equal(t, Closed, st)
	_, st = c.ReserveUpTo(1)
	require.Equal(t, Closed, st)
	for _, n := range []int{1, 4, 8} {
		_, st, err := c.Resize(n, 0)
		require.NoError(t, err)
		require.Equal(t, Closed, st)
	}
	got := make([]int, 9)
	require.Equal(t, 6, c.PopN(got))
	require.Equal(t, Empty, c.Look())
	require.Equal(t, uint64(6), c.Accepted())
}

func TestChainNoAllocations(t *testing.T) {
	c := newChain[event56](t, 64)
	resized(t, c, 50)
	var v event56
	batch := make([]event56, 32)
	ok := true
	require.Zero(t, testing.AllocsPerRun(100, func() {
		ok = ok && c.Push(&v) == OK && c.Pop(&v) == Event
		ok = ok && c.PushN(batch) == OK && c.PopN(batch) == 32
		l, st := c.Reserve(32)
		for i := range l.Len() {
			c.Slot(l, i).w[0] = 1
		}
		c.Commit(l)
		ok = ok && st == OK && c.Committed(40) == 32 && len(c.Ready(1)) == 1
		for c.Len() > 0 {
			c.Advance(len(c.Ready(32)))
		}
		c.Return()
		ok = ok && c.Idle() && c.Held() == 0
	}))
	require.True(t, ok)
}

// chainSequence runs operations drawn at random on a chain and on a list.
func chainSequence(t *rapid.T) {
	c, err := NewChain[int](rapid.IntRange(1, 9).Draw(t, "capacity"))
	if err != nil {
		t.Fatal(err)
	}
	var list []int // accepted, committed, not consumed
	next, closed, accepted := 0, false, 0
	draw := func(low, high int, name string) int { return rapid.IntRange(low, high).Draw(t, name) }
	take := func(got []int) {
		if len(got) > len(list) || !slices.Equal(got, list[:len(got)]) {
			t.Fatalf("got %v of %v", got, list)
		}
		list = list[len(got):]
	}
	add := func(st Status, vs []int) {
		switch {
		case (st == Closed) != closed:
			t.Fatalf("answer %d, closed %v", st, closed)
		case st == OK:
			list = append(list, vs...)
			accepted += len(vs)
			next += len(vs)
		case !closed && len(list)+len(vs) <= c.Cap():
			t.Fatalf("full with %d and %d more of %d", len(list), len(vs), c.Cap())
		}
	}
	t.Repeat(map[string]func(*rapid.T){
		"": func(t *rapid.T) {
			if c.Len() != len(list) || c.Held() < len(list) || c.Idle() && len(list) > 0 || c.Accepted() != uint64(accepted) || c.Committed(1000) != len(list) {
				t.Fatalf("len %d, held %d, accepted %d, committed %d of %v", c.Len(), c.Held(), c.Accepted(), c.Committed(1000), list)
			}
		},
		"push": func(*rapid.T) {
			vs := make([]int, draw(1, 5, "n"))
			for i := range vs {
				vs[i] = next + i
			}
			add(c.PushN(vs), vs)
		},
		"pop": func(t *rapid.T) {
			var v int
			switch st := c.Pop(&v); {
			case (st == Event) != (len(list) > 0):
				t.Fatalf("answer %d with %v", st, list)
			case st == Event:
				take([]int{v})
			}
		},
		"popN": func(t *rapid.T) {
			dst := make([]int, draw(1, 20, "n"))
			n := c.PopN(dst)
			if n != min(len(dst), len(list)) {
				t.Fatalf("%d of %d with %d", n, len(dst), len(list))
			}
			take(dst[:n])
		},
		"ready": func(t *rapid.T) {
			s := c.Ready(draw(1, 9, "n"))
			if len(s) == 0 && len(list) > 0 {
				t.Fatalf("nothing ready of %v", list)
			}
			k := min(draw(0, 9, "advance"), len(s))
			got := slices.Clone(s[:k])
			c.Advance(k)
			take(got)
		},
		"resize": func(t *rapid.T) {
			n, was := draw(1, 12, "n"), c.Cap()
			c.Return()
			held, st, err := c.Resize(n, 0)
			want := OK
			switch {
			case closed:
				want = Closed
			case n < was && len(list) > n:
				want = Full
			}
			if err != nil || st != want || st == Full && held != len(list) || want == OK && c.Cap() != n || want != OK && c.Cap() != was {
				t.Fatalf("resize from %d to %d with %d: %d, %d, %v", was, n, len(list), st, held, err)
			}
		},
		"close": func(t *rapid.T) {
			if draw(0, 9, "rarely") > 0 {
				t.Skip()
			}
			c.Close()
			closed = true
		},
	})
	for range list {
		var v int
		if c.Pop(&v) != Event {
			t.Fatal("lost")
		}
		take([]int{v})
	}
	if c.Look() != Empty || !c.Idle() || c.rings() > 1 {
		t.Fatalf("not empty at the end, or %d rings", c.rings())
	}
}

func TestChainModel(t *testing.T) { rapid.Check(t, chainSequence) }

func FuzzChain(f *testing.F) { f.Fuzz(rapid.MakeFuzz(chainSequence)) }
