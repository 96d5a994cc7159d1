package engine

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/ring"
)

// postAll posts WRIDs first, first+1 .. until the EVD is full, and returns how
// many went in.
func postAll(t *testing.T, d *EVD, first int) (n int) {
	t.Helper()
	for {
		err := d.Post(Event{WRID: uint64(first + n)})
		if err != nil {
			require.ErrorIs(t, err, ErrFull)
			return n
		}
		n++
	}
}

// upTo is 1..n.
func upTo(n int) (wrids []uint64) {
	for i := range n {
		wrids = append(wrids, uint64(i+1))
	}
	return wrids
}

func TestResizeBad(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{Capacity: 4})
	require.NoError(t, err)
	for _, n := range []int{-1, 0, ring.MaxCapacity + 1} {
		err := d.Resize(n)
		require.ErrorIs(t, err, ErrInvalid)
		require.ErrorContains(t, err, "engine: Resize: n = ")
		require.ErrorContains(t, err, "1..1073741824")
		require.Equal(t, 4, d.Capacity())
	}
	require.ErrorIs(t, (*EVD)(nil).Resize(1), ErrNilHandle)
	require.ErrorIs(t, (&EVD{}).Resize(1), ErrNilHandle)
	require.ErrorIs(t, e.Async().Resize(8), ErrBusy)
	require.NoError(t, d.Close())
	for _, n := range []int{2, 4, 8} {
		require.ErrorIs(t, d.Resize(n), ErrClosed)
	}
	require.Equal(t, 4, d.Capacity())
}

func TestResize(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{Capacity: 4})
	require.Equal(t, 4, postAll(t, d, 1))
	require.NoError(t, d.Resize(4))
	require.ErrorIs(t, d.Post(Event{}), ErrFull)
	require.NoError(t, d.Resize(8))
	require.Equal(t, 8, d.Capacity())
	require.Equal(t, 8, d.Query().Capacity)
	require.Equal(t, 8, postAll(t, d, 5))
	require.Equal(t, 12, d.Query().Pending)
	require.Equal(t, uint64(12), d.Stats().Posted)
	require.NoError(t, d.Resize(16)) // larger always fits
	require.ErrorIs(t, d.Resize(11), ErrTooSmall)
	require.NoError(t, d.Resize(12))
	require.Equal(t, upTo(12), drainAll(t, d))
	require.NoError(t, d.Resize(1))
	require.Equal(t, 1, postAll(t, d, 1))
	require.ErrorIs(t, d.ModifyUpcall(SingleInstance, func(*Upcall) {}), ErrEventsPending)
	require.Equal(t, upTo(1), drainAll(t, d))
	require.Equal(t, uint64(13), d.Stats().Dequeued)
}

// What counts as pending: the ring, what is in flight, what a waiter has put
// aside; not what has been taken, nor what is on a CQ.
func TestResizeTooSmall(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	d := stillEVD(t, cq, EVDConfig{Capacity: 7}) // 8 slots: credit comes late
	for i := uint64(1); i <= 3; i++ {
		one(t, cq, i)
	}
	require.NoError(t, d.Resize(1))
	require.NoError(t, d.Resize(7))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, _, err := d.Wait(ctx, 7, make([]Event, 7))
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, d.Post(Event{WRID: 4}))
	c, st := d.ring.Reserve(1)
	require.Equal(t, ring.OK, st)
	err = d.Resize(4)
	require.ErrorIs(t, err, ErrTooSmall)
	require.ErrorContains(t, err, "5 are pending, n is 4")
	require.Equal(t, 7, d.Capacity())
	require.NoError(t, d.Resize(5))
	d.ring.Slot(c, 0).WRID = 5
	d.ring.Commit(c)
	require.Equal(t, upTo(5), drainAll(t, d))
	require.NoError(t, d.Resize(1))
	require.NoError(t, d.Resize(1024))
	require.NoError(t, d.Post(Event{}))
	require.NoError(t, d.Resize(1))
}

// With a waiter it may grow, and not become smaller.
func TestResizeBesideWaiter(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{Capacity: 4})
	got := make(chan int, 1)
	go func() {
		n, _, err := d.Wait(limit(t), 3, make([]Event, 4))
		if err != nil {
			n = -1
		}
		got <- n
	}()
	waitFor(t, func() bool { return d.load()&bWAIT != 0 })
	require.True(t, d.Query().Waiting)
	require.ErrorIs(t, d.Resize(3), ErrWaiter)
	require.NoError(t, d.Post(Event{}))
	require.NoError(t, d.Resize(9))
	require.ErrorIs(t, d.Resize(4), ErrWaiter)
	require.NoError(t, d.Post(Event{}))
	require.NoError(t, d.Resize(10))
	require.NoError(t, d.Post(Event{}))
	require.Equal(t, 3, <-got)
	require.NoError(t, d.Resize(2))
	_, _, err := d.Wait(limit(t), 3, make([]Event, 4))
	require.ErrorIs(t, err, ErrThreshold)
	require.ErrorContains(t, err, "1..2")
}

// Shutdown goes on with what is in old rings, and a resize meanwhile is no harm.
func TestResizeBesideShutdown(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{Capacity: 2})
	require.NoError(t, err)
	require.Equal(t, 2, postAll(t, d, 1))
	require.NoError(t, d.Resize(4))
	require.Equal(t, 4, postAll(t, d, 3))
	ctx := limit(t)
	done := make(chan error, 1)
	go func() { done <- d.Shutdown(ctx) }()
	waitFor(t, func() bool { return d.flags.Load()&fSealed != 0 })
	require.NoError(t, d.Resize(32))
	require.ErrorIs(t, d.Post(Event{}), ErrClosed)
	var wrids []uint64
	var buf [1]Event
	for len(wrids) < 6 {
		n, err := d.Dequeue(buf[:])
		require.NoError(t, err)
		require.Equal(t, 1, n)
		wrids = append(wrids, buf[0].WRID)
	}
	require.NoError(t, <-done)
	require.Equal(t, upTo(6), wrids)
	require.ErrorIs(t, d.Resize(64), ErrClosed)
}

// Close hands over what is in all rings, oldest first.
func TestResizeThenClose(t *testing.T) {
	e := newTestEngine(t, Config{})
	var left []uint64
	d, err := e.NewEVD(EVDConfig{Capacity: 2, Batch: 4, Leftovers: func(evs []Event) {
		for _, ev := range evs {
			left = append(left, ev.WRID)
		}
	}})
	require.NoError(t, err)
	require.Equal(t, 2, postAll(t, d, 1))
	require.NoError(t, d.Resize(3))
	require.NoError(t, d.Resize(4))
	require.Equal(t, 4, postAll(t, d, 3))
	require.NoError(t, d.Close())
	require.Equal(t, upTo(6), left)
}

// From an upcall, up and down.
func TestResizeInside(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	var got atom.Counter
	d, err := e.NewEVD(EVDConfig{
		Capacity: 2, Batch: 1, Policy: SingleInstance, Dispatch: DispatchQueued,
		Upcall: func(u *Upcall) {
			up, down := u.EVD().Resize(16), u.EVD().Resize(2)
			if up != nil || down != nil {
				t.Errorf("%v, %v", up, down)
			}
			got.Add(1)
		},
	})
	require.NoError(t, err)
	for i := range 20 {
		// Never more than two ahead: with more, becoming smaller is refused.
		waitFor(t, func() bool { return got.Load()+2 > uint64(i) })
		require.NoError(t, d.Post(Event{}))
	}
	waitFor(t, func() bool { return got.Load() == 20 })
}

// An upcall hears that what came meanwhile would not fit, and nothing is lost.
func TestResizeInsideTooSmall(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	var got atom.Counter
	d, err := e.NewEVD(EVDConfig{
		Capacity: 16, Batch: 1, Policy: SingleInstance, Dispatch: DispatchQueued,
		Upcall: func(u *Upcall) {
			if got.Add(1) > 1 {
				return
			}
			for range 3 {
				if err := u.EVD().Post(Event{}); err != nil {
					t.Error(err)
				}
			}
			if err := u.EVD().Resize(2); !errors.Is(err, ErrTooSmall) {
				t.Error(err)
			}
			if err := u.EVD().Resize(3); err != nil {
				t.Error(err)
			}
		},
	})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	waitFor(t, func() bool { return got.Load() == 4 })
	require.Equal(t, 3, d.Query().Capacity)
}

// Completions that wait for room come in when there is some.
func TestResizeStartsPump(t *testing.T) {
	cq := newTestCQ(t, mock.Config{Depth: 64})
	e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 2, Batch: 4})
	require.NoError(t, err)
	for i := uint64(1); i <= 20; i++ {
		one(t, cq, i)
	}
	waitFor(t, func() bool { return d.Stats().Stalls > 0 && d.pumps()[0].load().run() == 0 })
	require.Equal(t, 2, d.ring.Held())
	require.NoError(t, d.Resize(32))
	waitFor(t, func() bool { return d.ring.Held() == 20 })
	require.Equal(t, upTo(20), drainAll(t, d))
}

// Full and empty are told apart where a ring wraps, whatever its size is.
func TestR43FullAtTheWrap(t *testing.T) {
	for _, size := range []int{1, 2, 4, 8, 64} {
		d := stillEVD(t, nil, EVDConfig{Capacity: size})
		for turn := range 2*size + 1 { // full at every place where it may begin
			require.Equal(t, size, postAll(t, d, 1))
			require.Equal(t, size, d.Query().Pending)
			if turn%3 == 2 { // and in a ring that begins where the last one ended
				require.NoError(t, d.Resize(2*size))
				require.NoError(t, d.Resize(size))
				require.ErrorIs(t, d.Resize(max(1, size/2)), map[bool]error{true: nil, false: ErrTooSmall}[size == 1])
			}
			require.Equal(t, upTo(size), drainAll(t, d))
			require.Zero(t, d.Query().Pending)
			require.NoError(t, d.Post(Event{WRID: 1}))
			require.Equal(t, upTo(1), drainAll(t, d))
		}
	}
}

// The ways in which a resize went wrong elsewhere.
func TestR47Resize(t *testing.T) {
	t.Run("a: a producer holds a slot of the old ring", func(t *testing.T) {
		d := stillEVD(t, nil, EVDConfig{Capacity: 2})
		c, _ := d.ring.Reserve(1)
		require.NoError(t, d.Resize(4))
		require.NoError(t, d.Post(Event{WRID: 2}))
		n, err := d.Dequeue(make([]Event, 2))
		require.ErrorIs(t, err, ErrBusy)
		require.Zero(t, n)
		d.ring.Slot(c, 0).WRID = 1
		d.ring.Commit(c)
		require.Equal(t, upTo(2), drainAll(t, d))
	})
	t.Run("b: below what is in flight", func(t *testing.T) {
		d := stillEVD(t, nil, EVDConfig{Capacity: 4})
		_, st := d.ring.Reserve(2)
		require.Equal(t, ring.OK, st)
		require.ErrorIs(t, d.Resize(1), ErrTooSmall)
		require.NoError(t, d.Resize(2))
	})
	t.Run("c: a threshold above the new size", func(t *testing.T) {
		d := stillEVD(t, nil, EVDConfig{Capacity: 4})
		require.NoError(t, d.Resize(2))
		_, _, err := d.Wait(limit(t), 3, make([]Event, 4))
		require.ErrorIs(t, err, ErrThreshold)
		require.Equal(t, 2, postAll(t, d, 1))
		n, _, err := d.Wait(limit(t), 2, make([]Event, 4))
		require.NoError(t, err)
		require.Equal(t, 2, n)
	})
	t.Run("d: what it starts comes back to it", func(t *testing.T) {
		// Resize runs the pump, which triggers the EVD; the upcall resizes.
		cq := newTestCQ(t, mock.Config{Depth: 64})
		e := newTestEngine(t, Config{Workers: 1})
		var got atom.Counter
		_, err := e.NewEVD(EVDConfig{
			CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Dispatch: DispatchQueued, Capacity: 1, Policy: SingleInstance,
			Upcall: func(u *Upcall) {
				if err := u.EVD().Resize(u.EVD().Capacity() + 1); err != nil {
					t.Error(err)
				}
				got.Add(uint64(len(u.Events())))
			},
		})
		require.NoError(t, err)
		for i := uint64(1); i <= 40; i++ {
			one(t, cq, i)
		}
		waitFor(t, func() bool { return got.Load() == 40 })
	})
	t.Run("e: order over the wrap", func(t *testing.T) {
		for used := range 8 {
			d := stillEVD(t, nil, EVDConfig{Capacity: 8})
			for range used {
				require.NoError(t, d.Post(Event{}))
			}
			require.Len(t, drainAll(t, d), used)
			require.Equal(t, 8, postAll(t, d, 1))
			require.NoError(t, d.Resize(16))
			require.Equal(t, 16, postAll(t, d, 9))
			require.Equal(t, upTo(24), drainAll(t, d))
		}
	})
	t.Run("f: completions of the CQ", func(t *testing.T) {
		cq := newTestCQ(t, mock.Config{})
		d := stillEVD(t, cq, EVDConfig{Capacity: 4})
		for i := uint64(1); i <= 6; i++ {
			one(t, cq, i)
		}
		require.NoError(t, d.Resize(2))
		require.NoError(t, d.Resize(8))
		require.Equal(t, upTo(6), drainAll(t, d))
	})
	t.Run("g: the count of what is pending", func(t *testing.T) {
		cq := newTestCQ(t, mock.Config{})
		d := stillEVD(t, cq, EVDConfig{Capacity: 4})
		one(t, cq, 1)
		require.Equal(t, 3, func() int {
			require.NoError(t, d.Post(Event{}))
			require.NoError(t, d.Resize(8))
			require.NoError(t, d.Post(Event{}))
			return d.Query().Pending
		}())
		n, more, err := d.Wait(limit(t), 3, make([]Event, 1))
		require.NoError(t, err)
		require.Equal(t, 3, n+more)
	})
}
