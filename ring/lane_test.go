package ring

import (
	"fmt"
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/pad"
)

// newLaneAt makes a lane that has already had pos events pushed and popped, and
// their credit returned.
func newLaneAt[T any](t testing.TB, capacity int, pos uint64) *Lane[T] {
	t.Helper()
	l, err := NewLane[T](capacity)
	require.NoError(t, err)
	seedLane(l, pos)
	return l
}

func seedLane[T any](l *Lane[T], pos uint64) {
	l.tail.Store(pos)
	l.freed.Store(pos)
	l.limit = pos + l.size
	l.head, l.seen, l.lent, l.credited = pos, pos, pos, pos
}

// atLanePositions runs a test with lanes at all positions.
func atLanePositions(t *testing.T, test func(t *testing.T, at func(capacity int) *Lane[int])) {
	t.Helper()
	for _, pos := range positions {
		t.Run(fmt.Sprintf("position=%d", pos), func(t *testing.T) {
			test(t, func(capacity int) *Lane[int] { return newLaneAt[int](t, capacity, pos) })
		})
	}
}

func TestLaneCapacity(t *testing.T) {
	for _, n := range []int{0, -1, MaxCapacity + 1, -1 << 63} {
		_, err := NewLane[int](n)
		require.ErrorContains(t, err, fmt.Sprintf("ring: NewLane: capacity = %d", n))
		require.ErrorContains(t, err, "1..1073741824")
	}
	for n := 1; n < 70; n++ {
		l, err := NewLane[int](n)
		require.NoError(t, err)
		require.Equal(t, n, l.Cap())
		require.GreaterOrEqual(t, l.size, uint64(n))
		require.Less(t, l.size, uint64(2*n))
		require.Zero(t, l.size&l.mask)
		for i := range n {
			require.Equal(t, OK, l.Push(&i), "%d of %d", i, n)
		}
	}
}

// A lane takes Cap events, never more than it has slots, gives them back in order,
// and is Full until credit is returned.
func TestLaneFull(t *testing.T) {
	atLanePositions(t, func(t *testing.T, at func(int) *Lane[int]) {
		for _, capacity := range []int{1, 2, 3, 4, 7, 8} {
			l := at(capacity)
			n := 0
			for l.Push(&n) == OK {
				n++
			}
			require.EqualValues(t, l.size, n, "nothing was popped, so every slot is free")
			require.False(t, l.TryPush(&n))
			_, ok := l.TryReserve(1)
			require.False(t, ok)
			for i := range n {
				v := -1
				require.Equal(t, Event, l.Pop(&v))
				require.Equal(t, i, v)
			}
			v := -1
			require.Equal(t, Empty, l.Pop(&v))
			require.False(t, l.TryPop(&v))
			require.Nil(t, l.TryPeek())
			require.Equal(t, -1, v)
			require.True(t, l.Idle(), "an empty look returns the credit")
			require.True(t, l.TryPush(&n), "the producer looks for new credit")
		}
	})
}

// What is not committed is nobody's: the consumer does not hear of it, and the same
// slots are reserved again.
func TestLaneClaims(t *testing.T) {
	atLanePositions(t, func(t *testing.T, at func(int) *Lane[int]) {
		l := at(4)
		c, st := l.Reserve(3)
		require.Equal(t, OK, st)
		require.Equal(t, 3, c.Len())
		*l.Slot(c, 0) = 77
		require.Equal(t, Empty, l.Look())
		require.True(t, l.Idle())
		require.Zero(t, l.Held())
		c, st = l.ReserveUpTo(9)
		require.Equal(t, OK, st)
		require.Equal(t, 4, c.Len(), "the first claim takes no room")
		require.Equal(t, 77, *l.Slot(c, 0))
		for i := range c.Len() {
			*l.Slot(c, i) = i
		}
		l.CommitRelease(c)
		require.Equal(t, 4, l.Len())
		require.Equal(t, 4, l.Held())
		require.Equal(t, []int{0, 1, 2, 3}, append(append([]int(nil), l.Ready(9)...), l.rest(9)...))
		for _, n := range []int{-1, 0, 5, 1 << 62} {
			_, st := l.Reserve(n)
			require.Equal(t, Full, st, "%d", n)
			_, ok := l.TryReserve(n)
			require.False(t, ok, "%d", n)
		}
		require.Equal(t, OK, l.PushN(nil))
		require.Equal(t, Full, l.PushN(make([]int, 5)))
	})
}

// rest consumes what the last Ready returned, and returns what is behind it.
func (l *Lane[T]) rest(limit int) []T {
	l.Advance(limit)
	return l.Ready(limit)
}

// TryReserve refuses what never fits, also where there are slots for it.
func TestLaneNeverFits(t *testing.T) {
	l := newLaneAt[int](t, 5, 0)
	require.EqualValues(t, 8, l.size)
	_, ok := l.TryReserve(6)
	require.False(t, ok)
	c, ok := l.TryReserve(5)
	require.True(t, ok)
	require.Equal(t, 5, c.Len())
}

func TestLaneClose(t *testing.T) {
	atLanePositions(t, func(t *testing.T, at func(int) *Lane[int]) {
		l := at(2)
		v := 5
		require.Equal(t, OK, l.Push(&v))
		require.False(t, l.Closed())
		l.Close()
		l.Close()
		require.True(t, l.Closed())
		require.Equal(t, Closed, l.Push(&v))
		require.False(t, l.TryPush(&v))
		require.Equal(t, Closed, l.PushN([]int{1, 2}))
		require.Equal(t, OK, l.PushN(nil))
		for _, n := range []int{-1, 0, 1, 3} {
			_, st := l.Reserve(n)
			require.Equal(t, Closed, st)
			_, st = l.ReserveUpTo(n)
			require.Equal(t, Closed, st)
			_, ok := l.TryReserve(n)
			require.False(t, ok)
		}
		require.Equal(t, 1, l.Len())
		require.Equal(t, 1, l.Held())
		require.False(t, l.Idle())
		v = 0
		require.Equal(t, Event, l.Pop(&v))
		require.Equal(t, 5, v)
		require.Equal(t, Empty, l.Pop(&v))
		require.True(t, l.Idle())
	})
}

// With slack the credit comes late, at the latest when more than the slack of it is
// due, and at once with Return or an empty look.
func TestLaneCredit(t *testing.T) {
	atLanePositions(t, func(t *testing.T, at func(int) *Lane[int]) {
		l := at(5) // 8 slots, 3 of slack
		v := 0
		for i := range 5 {
			require.Equal(t, OK, l.Push(&i))
		}
		for i := range 3 {
			require.Equal(t, Event, l.Pop(&v))
			require.Equal(t, 5, l.Held(), "after %d", i+1)
		}
		require.Equal(t, Event, l.Pop(&v))
		require.Equal(t, 1, l.Held())
		require.Len(t, l.Ready(1), 1)
		l.Advance(1)
		require.Equal(t, 1, l.Held())
		require.False(t, l.Idle())
		l.Return()
		require.Zero(t, l.Held())
		require.True(t, l.Idle())
		require.Equal(t, OK, l.Push(&v))
		require.True(t, l.TryPop(&v))
		require.False(t, l.Idle())
		require.Equal(t, Empty, l.Look())
		require.True(t, l.Idle())
		require.Equal(t, OK, l.PushN(make([]int, 5)))
		require.Equal(t, 3, l.PopN(make([]int, 3)))
		require.Equal(t, 5, l.Held())
		for n := len(l.Ready(1)); n > 0; n = 0 {
			l.Advance(n)
		}
		require.Equal(t, 1, l.Held(), "more than the slack was due")
	})
}

// Fields of the producer, the consumer and of neither lie in blocks of their own.
func TestLaneLayout(t *testing.T) {
	blocks := map[string]uintptr{
		"slots": 0, "mask": 0, "size": 0, "capacity": 0, "slack": 0,
		"tail": 1, "limit": 1,
		"freed": 2, "head": 2, "seen": 2, "lent": 2, "credited": 2,
	}
	typ := reflect.TypeFor[Lane[byte]]()
	seen := 0
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Name == "_" {
			continue
		}
		b, ok := blocks[f.Name]
		require.True(t, ok, "which block is %s in?", f.Name)
		require.Equal(t, b, f.Offset/pad.Size, f.Name)
		require.Equal(t, b, (f.Offset+f.Type.Size()-1)/pad.Size, f.Name)
		seen++
	}
	require.Len(t, blocks, seen)
	require.EqualValues(t, 3*pad.Size, typ.Size())
	var lanes []*Lane[byte]
	for range 1000 {
		l, err := NewLane[byte](1)
		require.NoError(t, err)
		lanes = append(lanes, l)
		require.Zero(t, reflect.ValueOf(l).Pointer()%pad.Size)
	}
	runtime.KeepAlive(lanes)
}
