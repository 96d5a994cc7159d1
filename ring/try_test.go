package ring

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The fast paths say yes wherever nothing is in the way, and no to what the complete
// operations refuse.
func TestTry(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, capacity := range []int{1, 2, 3, 5, 8} {
			r := at(capacity)
			v := -1
			require.False(t, r.TryPop(&v))
			require.Nil(t, r.TryPeek())
			for lap := range 3 * r.size {
				n := int(lap)
				require.True(t, r.TryPush(&n))
				if lap%2 == 0 {
					require.True(t, r.TryPop(&v))
				} else {
					v = *r.TryPeek()
					r.Advance(1)
				}
				require.Equal(t, n, v)
				require.False(t, r.TryPop(&v))
				require.Nil(t, r.TryPeek())
				require.LessOrEqual(t, r.Held(), int(r.slack))
			}
			require.Equal(t, Empty, r.Look())
			n := 0
			for r.TryPush(&n) {
				n++
			}
			require.EqualValues(t, r.size, n)
			require.Equal(t, Full, r.Push(&n))
			r.Close()
			require.True(t, r.TryPop(&v))
			require.Zero(t, v)
			r.Return()
			require.False(t, r.TryPush(&n), "there is room, but it is closed")
			_, ok := r.TryReserve(1)
			require.False(t, ok)
		}
	})
}

// Of a longer run the fast paths take nothing, neither its first event nor a later one.
func TestTryRun(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(8)
		require.Equal(t, OK, r.PushN([]int{0, 1, 2}))
		seven := 7
		require.True(t, r.TryPush(&seven))
		v := -1
		for i := range 3 {
			require.False(t, r.TryPop(&v))
			require.Nil(t, r.TryPeek())
			require.Equal(t, Event, r.Pop(&v))
			require.Equal(t, i, v)
		}
		require.True(t, r.TryPop(&v))
		require.Equal(t, 7, v)
	})
}

// Events that Ready has seen may be taken in another way; Advance then has that many
// less, and what is known to be committed is right afterwards.
func TestTryBehindReady(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(8)
		for i := range 4 {
			require.Equal(t, OK, r.Push(&i))
		}
		require.Len(t, r.Ready(3), 3)
		v := -1
		require.True(t, r.TryPop(&v))
		r.Advance(3)
		require.Equal(t, 1, r.Len())
		require.Equal(t, 1, r.Committed(9))
		require.Equal(t, []int{3}, r.Ready(9))
		r.Advance(1)
		require.Equal(t, Empty, r.Look())
		require.Zero(t, r.Committed(9))
		c, st := r.Reserve(2)
		require.Equal(t, OK, st)
		require.Equal(t, InFlight, r.Look())
		require.Zero(t, r.Committed(9))
		require.False(t, r.TryPop(&v))
		r.Commit(c)
		require.Equal(t, 2, r.Committed(9))
	})
}

// TryReserve takes what fits, and never more than Cap, also where there are slots.
func TestTryReserve(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(5) // 8 slots
		for _, n := range []int{-1 << 63, -1, 0, 6, 8, 9, 1<<63 - 1} {
			_, ok := r.TryReserve(n)
			require.False(t, ok, "%d", n)
		}
		c, ok := r.TryReserve(5)
		require.True(t, ok)
		require.Equal(t, 5, c.Len())
		_, ok = r.TryReserve(4)
		require.False(t, ok, "5 of 8 are taken")
		_, ok = r.TryReserve(3)
		require.True(t, ok)
		require.EqualValues(t, 8, r.Held())
	})
}

// Slots has a claim in the pieces that the end of the ring makes of it.
func TestSlots(t *testing.T) {
	for pos := range uint64(8) {
		r := newAt[int](t, 8, pos)
		c, st := r.Reserve(6)
		require.Equal(t, OK, st)
		n := 0
		for n < 6 {
			s := r.Slots(c, n)
			require.NotEmpty(t, s)
			require.LessOrEqual(t, len(s), 6-n)
			for i := range s {
				require.Same(t, r.Slot(c, n+i), &s[i])
				s[i] = n + i
			}
			n += len(s)
		}
		require.Empty(t, r.Slots(c, 6))
		r.Commit(c)
		dst := make([]int, 9)
		require.Equal(t, 6, r.PopN(dst))
		require.Equal(t, []int{0, 1, 2, 3, 4, 5}, dst[:6])
	}
}

// The fast paths of a chain are those of its ends, and answer no behind a seal and
// where a ring ends.
func TestChainTry(t *testing.T) {
	c := newChain[int](t, 2)
	v := 1
	require.True(t, c.TryPush(&v))
	in := c.In()
	_, st, err := c.Resize(4, 0)
	require.NoError(t, err)
	require.Equal(t, OK, st)
	require.False(t, in.TryPush(&v), "sealed")
	_, ok := in.TryReserve(1)
	require.False(t, ok)
	v = 2
	require.True(t, c.In().TryPush(&v))
	require.True(t, c.TryPop(&v))
	require.Equal(t, 1, v)
	require.False(t, c.TryPop(&v), "the rest is in the next ring")
	require.Equal(t, Event, c.Pop(&v))
	require.Equal(t, 2, v)
	require.True(t, c.TryPush(&v))
	require.True(t, c.Out().TryPop(&v))
	require.False(t, c.TryPop(&v))
	c.Close()
	require.False(t, c.TryPush(&v))
}
