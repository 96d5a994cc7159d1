package ring

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLook(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, capacity := range []int{2, 3} {
			r := at(capacity)
			for range 9 {
				require.Equal(t, Empty, r.Look())
				c, st := r.Reserve(1)
				require.Equal(t, OK, st)
				require.Equal(t, InFlight, r.Look())
				v := 77
				require.Equal(t, OK, r.Push(&v))
				// A younger event is no event as long as the older is missing.
				got := -1
				require.Equal(t, InFlight, r.Look())
				require.Equal(t, InFlight, r.Pop(&got))
				require.Equal(t, -1, got)
				require.Zero(t, r.PopN([]int{0, 0}))
				require.Nil(t, r.Ready(2))
				require.Equal(t, 2, r.Len())
				require.False(t, r.Idle())
				*r.Slot(c, 0) = 66
				r.Commit(c)
				require.Equal(t, Event, r.Look())
				require.Equal(t, Event, r.Look())
				dst := []int{0, 0, 0}
				require.Equal(t, 2, r.PopN(dst))
				require.Equal(t, []int{66, 77, 0}, dst)
			}
		}
	})
}

// The seq word of an older lap is never taken for a commit, not even that of
// a run that was as long as the ring.
func TestOldLap(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, capacity := range []int{1, 2, 4} {
			for run := 1; run <= capacity; run++ {
				r := at(capacity)
				for range 3 * capacity {
					c, st := r.Reserve(run)
					require.Equal(t, OK, st)
					require.Equal(t, InFlight, r.Look())
					require.Nil(t, r.Ready(run))
					r.Commit(c)
					require.Equal(t, run, r.PopN(make([]int, 2*capacity)))
				}
			}
		}
	})
}

func TestReady(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(8)
		s := source{t: t, r: r}
		require.Nil(t, r.Ready(1))
		s.push(1)
		for _, limit := range []int{math.MinInt, -1, 0} {
			require.Nil(t, r.Ready(limit))
		}
		s.pop(1)
		// All mixtures of runs, read by all limits, at all places.
		for _, lens := range [][]int{{8}, {1, 7}, {1, 1, 1, 1, 1, 1, 1, 1}, {3, 3, 2}, {5}, {2, 1}} {
			for limit := 1; limit <= 9; limit++ {
				for range 8 {
					n := 0
					for _, k := range lens {
						require.Equal(t, OK, r.PushN(s.next(k)))
						n += k
					}
					for n > 0 {
						toEnd := int(r.size - r.head&r.mask)
						got := r.Ready(limit)
						require.Len(t, got, min(limit, n, toEnd))
						require.Equal(t, len(got), cap(got), "append would write into others' slots")
						require.Equal(t, n, r.Len(), "Ready consumes nothing")
						s.want(got...)
						r.Advance(len(got))
						n -= len(got)
					}
					require.Nil(t, r.Ready(limit))
					s.push(1) // to another place
					s.pop(1)
				}
			}
		}
	})
}

// Ready joins what is committed and stops at what is not.
func TestReadyStopsInFlight(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(16) // all positions have room for six up to the end
		s := source{t: t, r: r}
		for r.head&r.mask != 0 {
			s.push(1)
			s.pop(1)
		}
		s.push(2)
		c, _ := r.Reserve(2)
		hole := s.next(2)
		s.push(1)
		require.Equal(t, []int{s.c, s.c + 1}, r.Ready(9))
		*r.Slot(c, 0), *r.Slot(c, 1) = hole[0], hole[1]
		r.Commit(c)
		require.Len(t, r.Ready(9), 5)
		r.Advance(3) // into the middle of the second run
		s.c += 3
		s.pop(2)
		require.Equal(t, Empty, r.Look())
	})
}

// Events in the ring may be changed by the consumer.
func TestReadyInPlace(t *testing.T) {
	r := newAt[int](t, 4, 0)
	s := source{t: t, r: r}
	s.push(3)
	for i, v := range r.Ready(4) {
		r.Ready(4)[i] = v + 100
	}
	dst := make([]int, 4)
	require.Equal(t, 3, r.PopN(dst))
	require.Equal(t, []int{100, 101, 102, 0}, dst)
}

func TestAdvance(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, c := range []struct {
			name    string
			do      func(r *MPSC[int])
			consume int
		}{
			{"without Ready", func(r *MPSC[int]) { r.Advance(1) }, 0},
			{"zero", func(r *MPSC[int]) { r.Ready(3); r.Advance(0) }, 0},
			{"negative", func(r *MPSC[int]) { r.Ready(3); r.Advance(-1); r.Advance(math.MinInt) }, 0},
			{"a part", func(r *MPSC[int]) { r.Ready(3); r.Advance(2) }, 2},
			{"in parts", func(r *MPSC[int]) { r.Ready(3); r.Advance(2); r.Advance(1) }, 3},
			{"twice", func(r *MPSC[int]) { r.Ready(3); r.Advance(3); r.Advance(3) }, 3},
			{"too much", func(r *MPSC[int]) { r.Ready(3); r.Advance(4) }, 3},
			{"far too much", func(r *MPSC[int]) { r.Ready(3); r.Advance(math.MaxInt) }, 3},
			{"after a smaller Ready", func(r *MPSC[int]) { r.Ready(3); r.Ready(1); r.Advance(3) }, 1},
			{"after an empty Ready", func(r *MPSC[int]) { r.Ready(3); r.Ready(0); r.Advance(3) }, 0},
			{"after Pop", func(r *MPSC[int]) { r.Ready(3); r.Pop(new(int)); r.Advance(3) }, 3},
			{"after PopN", func(r *MPSC[int]) { r.Ready(3); r.PopN(make([]int, 2)); r.Advance(3) }, 2},
			{"after Pop alone", func(r *MPSC[int]) { r.Pop(new(int)); r.Advance(3) }, 1},
		} {
			for _, lens := range [][]int{{6}, {1, 1, 1, 1, 1, 1}, {2, 4}} {
				r := at(16)
				s := source{t: t, r: r}
				for r.head&r.mask != 0 {
					s.push(1)
					s.pop(1)
				}
				for _, n := range lens {
					require.Equal(t, OK, r.PushN(s.next(n)))
				}
				c.do(r)
				require.Equal(t, 6-c.consume, r.Len(), "%s, runs %v", c.name, lens)
				s.c += c.consume
				s.pop(6 - c.consume)
				require.Equal(t, Empty, r.Look(), c.name)
			}
		}
	})
}

// At the end of the ring a run is cut, and Advance must not run into the part
// that Ready did not show.
func TestAdvanceAtTheEnd(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(8)
		s := source{t: t, r: r}
		for r.head&r.mask != 5 {
			s.push(1)
			s.pop(1)
		}
		require.Equal(t, OK, r.PushN(s.next(6)))
		got := r.Ready(6)
		require.Len(t, got, 3)
		s.want(got...)
		r.Advance(6)
		require.Equal(t, 3, r.Len())
		got = r.Ready(6)
		require.Len(t, got, 3)
		s.want(got...)
		r.Advance(3)
		require.Zero(t, r.Len())
	})
}

func TestPopN(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(8)
		s := source{t: t, r: r}
		require.Zero(t, r.PopN(nil))
		require.Zero(t, r.PopN(make([]int, 3)))
		s.push(3)
		require.Zero(t, r.PopN(nil))
		dst := []int{-1, -1, -1, -1, -1}
		require.Equal(t, 2, r.PopN(dst[:2]))
		s.want(dst[:2]...)
		require.Equal(t, 1, r.PopN(dst))
		s.want(dst[0])
		require.Equal(t, []int{-1, -1, -1}, dst[2:])
	})
}

// Idle means consumed and given back. Within the slack the credit comes back
// when the consumer looks in vain, or on Return.
func TestCredit(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(5) // slack 3
		s := source{t: t, r: r}
		require.True(t, r.Idle())
		consumed := func(n int, idle bool) {
			t.Helper()
			s.push(n)
			require.False(t, r.Idle())
			s.pop(n)
			require.Equal(t, idle, r.Idle())
		}
		consumed(3, false)
		consumed(1, true) // the fourth
		consumed(3, false)
		r.Return()
		require.True(t, r.Idle())
		r.Return()
		require.True(t, r.Idle())
		consumed(3, false)
		require.Equal(t, Empty, r.Look())
		require.True(t, r.Idle())
		consumed(3, false)
		require.Equal(t, Empty, r.Pop(new(int)))
		require.True(t, r.Idle())
		consumed(2, false)
		s.push(4)
		require.Len(t, r.Ready(1), 1)
		r.Advance(1)
		require.Equal(t, r.head, r.freed.Load()+3)
		dst := make([]int, 3)
		require.Equal(t, 3, r.PopN(dst))
		require.Equal(t, r.head, r.freed.Load(), "by PopN, once for all")

		r = at(4) // no slack: at once
		s = source{t: t, r: r}
		consumed(1, true)
		consumed(4, true)
		c, _ := r.Reserve(1)
		require.False(t, r.Idle(), "in flight")
		r.Commit(c)
		require.False(t, r.Idle())
		require.Len(t, r.Ready(1), 1)
		require.False(t, r.Idle(), "read, but not given back")
		r.Advance(1)
		require.True(t, r.Idle())
	})
}

func TestLen(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(4)
		before := r.Accepted()
		s := source{t: t, r: r}
		for range 3 {
			require.Zero(t, r.Len())
			s.push(1)
			require.Equal(t, 1, r.Len())
			c, _ := r.Reserve(2)
			require.Equal(t, 3, r.Len())
			for i, v := range s.next(2) {
				*r.Slot(c, i) = v
			}
			r.Commit(c)
			require.Equal(t, 3, r.Len())
			s.pop(2)
			require.Equal(t, 1, r.Len())
			s.pop(1)
		}
		require.Equal(t, before+9, r.Accepted())
		require.Equal(t, Full, r.PushN(make([]int, 5)))
		require.Equal(t, before+9, r.Accepted())
	})
}
