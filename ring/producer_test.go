package ring

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/param"
)

func TestNewRefuses(t *testing.T) {
	for _, capacity := range []int{math.MinInt, -1, 0, MaxCapacity + 1, math.MaxInt} {
		r, err := New[int](capacity)
		require.Nil(t, r)
		require.ErrorIs(t, err, param.ErrInvalid)
		var e *param.Error
		require.ErrorAs(t, err, &e)
		require.Equal(t, "ring: New", e.Op)
		require.Equal(t, "capacity", e.Param)
		require.Equal(t, capacity, e.Value)
		require.Equal(t, "1..1073741824", e.Allowed)
	}
	require.Equal(t, 1073741824, MaxCapacity)
	_, err := New[int](-5)
	require.EqualError(t, err, "ring: New: capacity = -5: must be 1..1073741824")
}

func TestNewSizes(t *testing.T) {
	for _, c := range []struct {
		capacity int
		slots    uint64
	}{
		{1, 1},
		{2, 2},
		{3, 4},
		{4, 4},
		{5, 8},
		{7, 8},
		{9, 16},
		{896, 1024},
		{1023, 1024},
		{1024, 1024},
		{1025, 2048},
	} {
		r, err := New[int](c.capacity)
		require.NoError(t, err)
		require.Equal(t, c.capacity, r.Cap())
		require.Equal(t, c.slots, r.size)
		require.Equal(t, c.slots-uint64(c.capacity), r.slack)
		require.Len(t, r.slots, int(c.slots))
		require.Len(t, r.seq, int(c.slots))
	}
}

// Without slack a ring is full exactly at its capacity.
func TestFullExactly(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, capacity := range []int{1, 2, 4, 8, 1024} {
			r := at(capacity)
			s := source{t: t, r: r}
			s.push(capacity)
			for freed := range min(capacity, 9) + 1 {
				s.pop(freed)
				s.push(freed)
				before := r.Accepted()
				require.Equal(t, Full, r.Push(new(int)))
				require.Equal(t, Full, r.PushN([]int{1}))
				_, st := r.Reserve(1)
				require.Equal(t, Full, st)
				_, st = r.ReserveUpTo(1)
				require.Equal(t, Full, st)
				require.Equal(t, before, r.Accepted())
				require.Equal(t, capacity, r.Len())
			}
			s.pop(capacity)
		}
	})
}

// With slack a ring has room for its capacity less what is not consumed,
// whatever came before, and never for more than its slots.
func TestFullWithSlack(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, capacity := range []int{3, 5, 6, 7, 9, 15, 896} {
			for _, held := range []int{0, 1, capacity / 2, capacity - 1, capacity} {
				r := at(capacity)
				s := source{t: t, r: r}
				for phase := range min(2*int(r.size), 2000/capacity) {
					s.push(capacity - r.Len())
					require.GreaterOrEqual(t, r.Len(), capacity)
					for r.Push(&s.n) == OK {
						s.n++
					}
					require.LessOrEqual(t, r.Len(), int(r.size))
					s.pop(r.Len() - held) // leaves the credit as it comes
					if phase%3 == 0 {
						s.pop(held)
					}
				}
			}
		}
	})
}

// Sizes that never fit are refused without a trace, and by Closed as soon as
// that is the answer to others.
func TestReserveNeverFits(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, capacity := range []int{1, 3, 4, 5} {
			r := at(capacity)
			before := r.Accepted()
			bad := []int{math.MinInt, -1, 0, capacity + 1, int(r.size) + 1, math.MaxInt}
			check := func(want Status) {
				t.Helper()
				for _, n := range bad {
					c, st := r.Reserve(n)
					require.Equal(t, want, st, "Reserve(%d) of %d", n, capacity)
					require.Equal(t, 0, c.Len())
					if n < 1 {
						c, st = r.ReserveUpTo(n)
						require.Equal(t, want, st, "ReserveUpTo(%d)", n)
						require.Equal(t, 0, c.Len())
					}
				}
				require.Equal(t, want, r.PushN(make([]int, capacity+1)))
				require.Equal(t, before, r.Accepted())
			}
			check(Full)
			require.Equal(t, Empty, r.Look())
			require.True(t, r.Idle())
			r.Close()
			check(Closed)
		}
	})
}

// A whole capacity can be reserved whenever the ring is empty, also when the
// consumer never looked at it and owes credit.
func TestReserveWhole(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, capacity := range []int{1, 2, 3, 4, 5, 7, 8} {
			for before := range 2*capacity + 2 {
				r := at(capacity)
				s := source{t: t, r: r}
				for range before {
					s.push(1)
					require.Equal(t, 1, r.PopN([]int{0}))
				}
				c, st := r.Reserve(capacity)
				require.Equal(t, OK, st, "capacity %d after %d", capacity, before)
				require.Equal(t, capacity, c.Len())
				for i := range capacity {
					*r.Slot(c, i) = i
				}
				r.Commit(c)
				dst := make([]int, capacity)
				require.Equal(t, capacity, r.PopN(dst))
				for i, v := range dst {
					require.Equal(t, i, v)
				}
			}
		}
	})
}

// A request that does not fit leaves the room to one that does.
func TestReserveAllOrNothing(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for used := range 9 {
			r := at(8)
			s := source{t: t, r: r}
			s.push(used)
			for n := 8; n > 8-used; n-- {
				_, st := r.Reserve(n)
				require.Equal(t, Full, st)
				require.Equal(t, Full, r.PushN(make([]int, n)))
			}
			require.Equal(t, used, r.Len())
			if used < 8 {
				require.Equal(t, OK, r.PushN(s.next(8-used)))
			}
			s.pop(8)
		}
	})
}

func TestReserveUpTo(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, capacity := range []int{1, 2, 4, 8} {
			for used := range capacity {
				for _, n := range []int{1, 2, capacity - used, capacity, capacity + 1, math.MaxInt} {
					if n < 1 {
						continue
					}
					r := at(capacity)
					s := source{t: t, r: r}
					s.push(used)
					c, st := r.ReserveUpTo(n)
					require.Equal(t, OK, st)
					require.Equal(t, min(n, capacity-used), c.Len(), "capacity %d, used %d, n %d", capacity, used, n)
					for i, v := range s.next(c.Len()) {
						*r.Slot(c, i) = v
					}
					r.Commit(c)
					s.pop(used + c.Len())
				}
			}
		}
		// With slack it may get more than Cap, never more than there are slots.
		r := at(5)
		c, st := r.ReserveUpTo(100)
		require.Equal(t, OK, st)
		require.Equal(t, 8, c.Len())
		r.Commit(c)
		_, st = r.ReserveUpTo(1)
		require.Equal(t, Full, st)
		require.Len(t, r.Ready(100), 8-int(r.head&r.mask))
	})
}

func TestPushN(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		r := at(4)
		require.Equal(t, OK, r.PushN(nil))
		require.Equal(t, OK, r.PushN([]int{}))
		require.Zero(t, r.Len())
		vs := []int{1, 2, 3}
		require.Equal(t, OK, r.PushN(vs))
		require.Equal(t, Full, r.PushN(vs))
		vs[0], vs[1], vs[2] = 9, 9, 9 // it has been copied
		dst := make([]int, 9)
		require.Equal(t, 3, r.PopN(dst))
		require.Equal(t, []int{1, 2, 3}, dst[:3])
	})
}

// Claims are written in any order and committed in any order; they are
// consumed in the order they were taken.
func TestCommitOutOfOrder(t *testing.T) {
	orders := [][3]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, order := range orders {
			r := at(8)
			for range 5 {
				var claims [3]Claim
				var of [3]int // first value
				n := 0
				for i, size := range []int{2, 1, 3} {
					c, st := r.Reserve(size)
					require.Equal(t, OK, st)
					require.Equal(t, size, c.Len())
					claims[i], of[i] = c, n
					n += size
				}
				var done [3]bool
				next := 0
				for _, i := range order {
					for j := claims[i].Len() - 1; j >= 0; j-- {
						*r.Slot(claims[i], j) = of[i] + j
					}
					r.Commit(claims[i])
					done[i] = true
					v := 0
					for k := range claims {
						if !done[k] {
							break
						}
						for next < of[k]+claims[k].Len() {
							require.Equal(t, Event, r.Pop(&v))
							require.Equal(t, next, v)
							next++
						}
					}
					if next < n {
						require.Equal(t, InFlight, r.Pop(&v))
						require.Equal(t, InFlight, r.Look())
					}
				}
				require.Equal(t, n, next)
				require.Equal(t, Empty, r.Look())
			}
		}
	})
}
