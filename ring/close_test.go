package ring

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// refused checks that nothing is accepted any more.
func refused(t *testing.T, r *MPSC[int]) {
	t.Helper()
	before, n := r.Accepted(), r.Len()
	require.Equal(t, Closed, r.Push(new(int)))
	require.Equal(t, Closed, r.PushN([]int{1, 2}))
	for _, n := range []int{1, 2, r.Cap()} {
		c, st := r.Reserve(n)
		require.Equal(t, Closed, st)
		require.Zero(t, c.Len())
		c, st = r.ReserveUpTo(n)
		require.Equal(t, Closed, st)
		require.Zero(t, c.Len())
	}
	require.Equal(t, OK, r.PushN(nil), "nothing was asked for")
	require.Equal(t, before, r.Accepted())
	require.Equal(t, n, r.Len())
}

func TestCloseEmpty(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(4)
		before := r.Accepted()
		for range 3 {
			r.Close()
			refused(t, r)
			require.Equal(t, Empty, r.Look())
			require.Equal(t, Empty, r.Pop(new(int)))
			require.Nil(t, r.Ready(1))
			require.Zero(t, r.PopN([]int{0}))
			require.True(t, r.Idle())
			require.Equal(t, before, r.Accepted())
			require.Equal(t, 4, r.Cap())
		}
	})
}

// What was accepted before Close is drained, also what is committed after it,
// and nothing else is.
func TestCloseDrains(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, capacity := range []int{4, 7} {
			r := at(capacity)
			before := r.Accepted()
			s := source{t: t, r: r}
			s.push(1)
			c, st := r.Reserve(2)
			require.Equal(t, OK, st)
			vs := s.next(2)
			s.push(1)
			r.Close()
			refused(t, r)
			require.Equal(t, before+4, r.Accepted())
			require.Equal(t, 4, r.Len())
			require.False(t, r.Idle())
			s.pop(1)
			require.Equal(t, InFlight, r.Look(), "not the end: a claim is open")
			refused(t, r)
			r.Close()
			require.Equal(t, InFlight, r.Look())
			*r.Slot(c, 0), *r.Slot(c, 1) = vs[0], vs[1]
			r.Commit(c)
			s.pop(3)
			require.Equal(t, Empty, r.Look())
			require.True(t, r.Idle())
			require.Equal(t, before+uint64(s.c), r.Accepted())
			refused(t, r)
		}
	})
}

// A full ring that is closed says Closed: waiting for room would not end.
func TestClosedBeforeFull(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(2)
		s := source{t: t, r: r}
		s.push(2)
		require.Equal(t, Full, r.Push(new(int)))
		r.Close()
		refused(t, r)
		s.pop(2)
		refused(t, r)
	})
}
