package ring

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// event56 is as large as the events of the engine.
type event56 struct{ w [7]uint64 }

func TestNoAllocations(t *testing.T) {
	for _, capacity := range []int{64, 50} {
		r := newAt[event56](t, capacity, 0)
		var v event56
		batch := make([]event56, 32)
		in, out := uint64(0), uint64(0)
		check := func(name string, fn func()) {
			t.Helper()
			require.Zero(t, testing.AllocsPerRun(100, fn), "capacity %d, %s", capacity, name)
			require.Equal(t, in, out, "%s: pushed and popped", name)
			in, out = 0, 0
		}
		check("Push, Pop", func() {
			in++
			if r.Push(&v) == OK && r.Pop(&v) == Event {
				out++
			}
		})
		check("PushN, PopN", func() {
			in += 32
			r.PushN(batch)
			out += uint64(r.PopN(batch))
		})
		check("Reserve, Ready", func() {
			in += 32
			c, _ := r.Reserve(32)
			for i := range c.Len() {
				r.Slot(c, i).w[0] = uint64(i)
			}
			r.Commit(c)
			for s := r.Ready(32); len(s) > 0; s = r.Ready(32) {
				r.Advance(len(s))
				out += uint64(len(s))
			}
		})
		check("ReserveUpTo", func() {
			c, _ := r.ReserveUpTo(capacity)
			in += uint64(c.Len())
			r.Commit(c)
			for n := 1; n > 0; {
				n = r.PopN(batch)
				out += uint64(n)
			}
		})
		check("in vain", func() {
			_, bad := r.Reserve(-1)
			if r.Pop(&v) == Empty && r.Look() == Empty && r.PopN(batch) == 0 && bad == Full {
				r.Return()
			}
		})
		check("asking", func() {
			if !r.Idle() || r.Len() != 0 || r.Cap() != capacity || r.Accepted() == 0 {
				in++
			}
		})
		check("closed", func() {
			r.Close()
			if r.Push(&v) != Closed || r.PushN(batch) != Closed {
				in++
			}
		})
	}
}

func TestTryNoAllocations(t *testing.T) {
	for _, capacity := range []int{64, 50} {
		r, c, l := newAt[event56](t, capacity, 0), newChain[event56](t, capacity), newLaneAt[event56](t, capacity, 0)
		var v event56
		batch := make([]event56, 32)
		in, out := 0, 0
		check := func(name string, fn func()) {
			t.Helper()
			require.Zero(t, testing.AllocsPerRun(100, fn), "capacity %d, %s", capacity, name)
			require.Equal(t, in, out, "%s: pushed and popped", name)
			require.NotZero(t, in, name)
			in, out = 0, 0
		}
		count := func(n *int, ok bool) {
			if ok {
				*n++
			}
		}
		check("ring", func() {
			count(&in, r.TryPush(&v))
			count(&out, r.TryPop(&v))
		})
		check("ring, in place", func() {
			if k, ok := r.TryReserve(1); ok {
				r.Slots(k, 0)[0] = v
				r.Commit(k)
				in++
			}
			if k, ok := r.TryReserve(1); ok {
				*r.Slot(k, 0) = v
				r.CommitRelease(k)
				in++
			}
			count(&out, r.TryPop(&v))
			if p := r.TryPeek(); p != nil {
				r.Advance(1)
				out++
			}
		})
		check("chain", func() {
			count(&in, c.TryPush(&v))
			count(&out, c.TryPop(&v))
			count(&in, c.In().TryPush(&v))
			count(&out, c.Out().TryPop(&v))
		})
		check("lane", func() {
			count(&in, l.TryPush(&v))
			count(&out, l.TryPop(&v))
			count(&in, l.Push(&v) == OK)
			count(&out, l.Pop(&v) == Event)
		})
		check("lane, in place", func() {
			if k, ok := l.TryReserve(1); ok {
				l.Slots(k, 0)[0] = v
				l.CommitRelease(k)
				in++
			}
			if p := l.TryPeek(); p != nil {
				l.Advance(1)
				out++
			}
		})
		check("lane, batch", func() {
			count(&in, l.PushN(batch) == OK)
			count(&out, l.PopN(batch) == len(batch))
			l.Return()
		})
	}
}
