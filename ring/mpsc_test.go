package ring

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/atom"
)

// newAt makes a ring that has already had pos events pushed and popped one by
// one, and their credit returned.
func newAt[T any](t testing.TB, capacity int, pos uint64) *MPSC[T] {
	t.Helper()
	r, err := New[T](capacity)
	require.NoError(t, err)
	seed(r, pos)
	return r
}

func seed[T any](r *MPSC[T], pos uint64) {
	r.tail.Store(pos)
	r.freed.Store(pos)
	r.head, r.runEnd, r.credited = pos, pos, pos
	for back := uint64(1); back <= min(pos, r.size); back++ {
		r.seq[(pos-back)&r.mask].Store(pos - back + 1)
	}
}

// positions are where a ring may stand: at its start, and where 32 bits or
// the sign of a difference would go wrong if somebody used them.
var positions = []uint64{0, 1<<31 - 3, 1<<32 - 3, 1<<62 - 1<<20}

// atPositions runs a test with rings at all positions.
func atPositions(t *testing.T, test func(t *testing.T, at func(capacity int) *MPSC[int])) {
	t.Helper()
	for _, pos := range positions {
		t.Run(fmt.Sprintf("position=%d", pos), func(t *testing.T) {
			test(t, func(capacity int) *MPSC[int] { return newAt[int](t, capacity, pos) })
		})
	}
}

// source numbers what it pushes.
type source struct {
	t *testing.T
	r *MPSC[int]
	n int // pushed
	c int // popped
}

func (s *source) push(n int) {
	s.t.Helper()
	for range n {
		if st := s.r.Push(&s.n); st != OK { // require is slow
			require.Equal(s.t, OK, st)
		}
		s.n++
	}
}

func (s *source) next(n int) []int {
	vs := make([]int, n)
	for i := range vs {
		vs[i] = s.n + i
	}
	s.n += n
	return vs
}

func (s *source) pop(n int) {
	s.t.Helper()
	for range n {
		v := -1
		if st := s.r.Pop(&v); st != Event {
			require.Equal(s.t, Event, st)
		}
		s.want(v)
	}
}

func (s *source) want(vs ...int) {
	s.t.Helper()
	for _, v := range vs {
		if v != s.c {
			require.Equal(s.t, s.c, v)
		}
		s.c++
	}
}

// seeded rings must be what a history of pushes and pops makes of them.
func TestSeed(t *testing.T) {
	words := func(ws []atom.Uint64) (vs []uint64) {
		for i := range ws {
			vs = append(vs, ws[i].Load())
		}
		return vs
	}
	for _, capacity := range []int{1, 2, 4, 5, 8} {
		for pos := range 20 {
			want, err := New[int](capacity)
			require.NoError(t, err)
			s := source{t: t, r: want}
			for range pos {
				s.push(1)
				s.pop(1)
			}
			want.Return()
			got := newAt[int](t, capacity, uint64(pos))
			require.Equal(t, words(want.seq), words(got.seq))
			require.Equal(t, want.tail.Load(), got.tail.Load())
			require.Equal(t, want.freed.Load(), got.freed.Load())
			require.Equal(t, []uint64{want.head, want.credited}, []uint64{got.head, got.credited})
		}
	}
}

func TestPushPop(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, capacity := range []int{1, 2, 3, 4, 7, 8} {
			r := at(capacity)
			require.Equal(t, capacity, r.Cap())
			v := -1
			require.Equal(t, Empty, r.Pop(&v))
			require.Equal(t, -1, v)
			s := source{t: t, r: r}
			for range 100 {
				s.push(capacity)
				s.pop(capacity)
				require.Equal(t, Empty, r.Look())
				require.True(t, r.Idle())
			}
		}
	})
}

// Every mixture of batch sizes on both sides keeps the order, all the way
// round the ring.
func TestBatchSizes(t *testing.T) {
	atPositions(t, func(t *testing.T, at func(int) *MPSC[int]) {
		for _, capacity := range []int{1, 2, 3, 5, 7, 8} {
			for in := 1; in <= capacity; in++ {
				for out := 1; out <= capacity; out++ {
					r := at(capacity)
					s := source{t: t, r: r}
					dst := make([]int, out)
					for range 5 * capacity {
						for r.Len()+in <= capacity {
							require.Equal(t, OK, r.PushN(s.next(in)), "capacity %d, in %d, out %d", capacity, in, out)
						}
						n := r.PopN(dst)
						require.Equal(t, min(out, s.n-s.c), n)
						s.want(dst[:n]...)
						require.Equal(t, s.n-s.c, r.Len())
					}
				}
			}
		}
	})
}

func TestPayload(t *testing.T) {
	type event struct {
		a, b, c, d, e, f, g uint64
	}
	for _, pos := range positions {
		r := newAt[event](t, 4, pos)
		for i := range uint64(20) {
			in := event{i, i + 1, i + 2, i + 3, i + 4, i + 5, i + 6}
			require.Equal(t, OK, r.Push(&in))
			var out event
			require.Equal(t, Event, r.Pop(&out))
			require.Equal(t, in, out)
		}
	}
}

// Events without size work too: they are counted.
func TestEmptyStruct(t *testing.T) {
	r, err := New[struct{}](3)
	require.NoError(t, err)
	for range 10 {
		require.Equal(t, OK, r.PushN(make([]struct{}, 3)))
		require.Equal(t, 3, r.PopN(make([]struct{}, 5)))
	}
	require.Equal(t, uint64(30), r.Accepted())
}
