package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// wrids posts nothing: it takes all that is there and returns the cookies.
func wrids(t *testing.T, d *EVD) (out []uint64) {
	t.Helper()
	buf := make([]Event, 3)
	for {
		n, err := d.Dequeue(buf)
		require.NoError(t, err)
		if n == 0 {
			return out
		}
		for i := range buf[:n] {
			out = append(out, buf[i].WRID)
		}
	}
}

// fromTo returns from..to.
func fromTo(from, to uint64) (out []uint64) {
	for ; from <= to; from++ {
		out = append(out, from)
	}
	return out
}

// What finds the ring full goes to the list until that is full too; order and
// counts are those of one queue, and the ring is used again when the list is empty.
func TestSpill(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	d, err := e.NewEVD(EVDConfig{Streams: Software | CR, Capacity: 2, Overflow: OverflowSpill, SpillLimit: 3})
	require.NoError(t, err)
	for round := range uint64(3) {
		for i := range uint64(5) {
			require.NoError(t, d.Post(Event{WRID: i + 1}))
		}
		require.ErrorIs(t, d.Post(Event{WRID: 6}), ErrFull)
		require.ErrorIs(t, d.PostCM(Event{Stream: CR, Number: ConnectionRequest}), ErrFull)
		q := d.Query()
		require.Equal(t, 5, q.Pending)
		require.Equal(t, (round+1)*5, q.Stats.Posted)
		require.Equal(t, (round+1)*3, q.Stats.Spilled)
		require.Equal(t, (round+1)*2, q.Stats.Rejected)
		require.EqualValues(t, 5, q.Stats.HighWater)
		require.Equal(t, fromTo(1, 5), wrids(t, d))
		require.Zero(t, d.Query().Pending)
	}
	require.EqualValues(t, 5, d.Stats().HighWater, "it stays when they are gone")
	require.EqualValues(t, EVDOverflow, func() EventNumber {
		var ev [1]Event
		n, err := e.Async().Dequeue(ev[:])
		require.NoError(t, err)
		require.Equal(t, 1, n)
		require.Equal(t, 3, ev[0].Count())
		return ev[0].Number
	}())
}

// A post while the list is not empty stays behind it, though the ring has room.
func TestSpillOrder(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	d, err := e.NewEVD(EVDConfig{Capacity: 2, Overflow: OverflowSpill, SpillLimit: 8})
	require.NoError(t, err)
	next, want := uint64(0), uint64(0)
	var buf [1]Event
	for range 200 { // two in, one out, until it is full; then one in, two out
		for range 2 {
			if d.Post(Event{WRID: next + 1}) == nil {
				next++
			}
		}
		n, err := d.Dequeue(buf[:])
		require.NoError(t, err)
		require.Equal(t, 1, n)
		want++
		require.Equal(t, want, buf[0].WRID)
	}
	require.Equal(t, fromTo(want+1, next), wrids(t, d))
	require.EqualValues(t, 10, d.Stats().HighWater, "the list has what the ring has room for, before it has its turn")
}

// Capacity and SpillLimit more find place also when the ring runs dry before the
// list, and when the EVD has become larger beside it: a waiter may wait for that.
func TestSpillLimit(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	d, err := e.NewEVD(EVDConfig{Capacity: 2, Overflow: OverflowSpill, SpillLimit: 3})
	require.NoError(t, err)
	next := uint64(0)
	fill := func() {
		for d.Post(Event{WRID: next + 1}) == nil {
			next++
		}
	}
	fill()
	require.EqualValues(t, 5, next)
	var buf [16]Event
	n, err := d.Dequeue(buf[:1])
	require.NoError(t, err)
	require.Equal(t, 1, n)
	fill()
	n, more, err := d.Wait(limit(t), 5, buf[1:2])
	require.NoError(t, err)
	require.Equal(t, 5, n+more)
	require.NoError(t, d.Resize(8))
	fill()
	require.EqualValues(t, 13, next)
	n, more, err = d.Wait(limit(t), 11, buf[2:3])
	require.NoError(t, err)
	require.Equal(t, 11, n+more)
	require.NoError(t, d.Resize(1))
	require.ErrorIs(t, d.Post(Event{}), ErrFull)
	require.Equal(t, fromTo(4, 13), wrids(t, d))
}

// HighWater without a list: the most that the ring had, whoever took it.
func TestHighWater(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	d, err := e.NewEVD(EVDConfig{Capacity: 64, Batch: 4})
	require.NoError(t, err)
	var buf [4]Event
	for _, c := range []struct{ in, out, high int }{{3, 3, 3}, {10, 10, 10}, {5, 5, 10}, {40, 1, 40}, {10, 48, 49}, {1, 2, 49}} {
		for range c.in {
			require.NoError(t, d.Post(Event{}))
		}
		for out := c.out; out > 0; {
			n, err := d.Dequeue(buf[:min(out, len(buf))])
			require.NoError(t, err)
			if n == 0 {
				break
			}
			out -= n
		}
		require.EqualValues(t, max(c.high, c.in), d.Stats().HighWater, "%+v", c)
	}
	spills, err := e.NewEVD(EVDConfig{Capacity: 40, Overflow: OverflowSpill, SpillLimit: 20})
	require.NoError(t, err)
	for range 60 {
		require.NoError(t, spills.Post(Event{}))
	}
	require.EqualValues(t, 60, spills.Stats().HighWater, "while they are there")
	require.NoError(t, spills.Close())
	require.EqualValues(t, 60, spills.Stats().HighWater, "what only Close has taken counts too")
	require.EqualValues(t, 60, e.Stats().Total.HighWater)
}

// The overflow list counts for a waiter: neither ring nor list alone has what he
// wants.
func TestR46WaiterCountsList(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	d, err := e.NewEVD(EVDConfig{Capacity: 2, Overflow: OverflowSpill, SpillLimit: 3})
	require.NoError(t, err)
	for i := range uint64(5) {
		require.NoError(t, d.Post(Event{WRID: i + 1}))
	}
	var buf [8]Event
	n, more, err := d.Wait(limit(t), 5, buf[:1])
	require.NoError(t, err)
	require.Equal(t, 5, n+more)
	// One in the ring, three in the list.
	n, more, err = d.Wait(limit(t), 4, buf[1:2])
	require.NoError(t, err)
	require.Equal(t, 4, n+more)
	_, _, err = d.Wait(limit(t), 6, buf[:])
	require.ErrorIs(t, err, ErrThreshold)
	n, _, err = d.Wait(limit(t), 3, buf[2:])
	require.NoError(t, err)
	n += 2
	for n < 5 {
		k, err := d.Dequeue(buf[n:])
		require.NoError(t, err)
		n += k
	}
	for i := range buf[:n] {
		require.EqualValues(t, i+1, buf[i].WRID)
	}
	// He sleeps, and the post that makes it enough goes to the list.
	got := make(chan int, 1)
	go func() {
		n, more, _ := d.Wait(limit(t), 4, buf[:])
		got <- n + more
	}()
	waitFor(t, func() bool { return d.load()&bWAIT != 0 })
	for range 4 {
		require.NoError(t, d.Post(Event{}))
	}
	require.Equal(t, 4, <-got)
}

// Closed to everyone while Close waits for an upcall, list or not; and what the
// list has is left over behind the ring.
func TestSpillClosed(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	var left []uint64
	in, out := make(chan struct{}), make(chan struct{})
	d, err := e.NewEVD(EVDConfig{
		Capacity: 1, Overflow: OverflowSpill, SpillLimit: 4, Policy: SingleInstance, Batch: 1,
		Upcall: func(u *Upcall) {
			if u.Events()[0].WRID == 1 {
				close(in)
			}
			<-out
		},
		Leftovers: func(evs []Event) {
			for i := range evs {
				left = append(left, evs[i].WRID)
			}
		},
	})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{WRID: 1}))
	<-in
	for i := range uint64(3) {
		require.NoError(t, d.Post(Event{WRID: i + 2}))
	}
	closed := make(chan error, 1)
	go func() { closed <- d.Close() }()
	waitFor(t, func() bool { return d.load()&bCLOSE != 0 })
	err = d.Post(Event{WRID: 5})
	close(out)
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, <-closed)
	require.ErrorIs(t, d.Post(Event{WRID: 6}), ErrClosed)
	require.Equal(t, fromTo(2, 4), left)
}

// Memory that the list has grown by goes when it is empty.
func TestSpillMemory(t *testing.T) {
	var l eventList
	buf := make([]Event, 100)
	for n := range uint64(10_000) {
		l.push(&Event{WRID: n})
	}
	require.GreaterOrEqual(t, cap(l.evs), 10_000)
	for n := uint64(0); n < 10_000; {
		k := l.pop(buf)
		for i := range buf[:k] {
			require.Equal(t, n, buf[i].WRID)
			n++
		}
	}
	require.Zero(t, l.len())
	require.Zero(t, cap(l.evs))
	// One in, one out, for ever: it does not grow.
	for n := range uint64(10_000) {
		l.push(&Event{WRID: n})
		if n > 2 {
			require.Equal(t, 1, l.pop(buf[:1]))
			require.Equal(t, n-3, buf[0].WRID)
		}
	}
	require.LessOrEqual(t, cap(l.evs), keptEvents)
}

// While the list is not empty completions wait on their CQ, and then they come.
func TestSpillPump(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{Workers: 1})
	d, err := e.NewEVD(EVDConfig{
		CQs: []hwcq.CQ{cq}, Streams: DTO | Software, Mode: ModeEvent, Dispatch: DispatchQueued,
		Capacity: 2, Overflow: OverflowSpill,
	})
	require.NoError(t, err)
	for i := range uint64(3) {
		require.NoError(t, d.Post(Event{WRID: i + 1}))
	}
	_, err = cq.Complete(hwcq.WC{WRID: 4}, false)
	require.NoError(t, err)
	waitFor(t, func() bool { return d.Stats().Stalls > 0 })
	var buf [1]Event
	for want := uint64(1); want <= 4; {
		n, _ := d.Dequeue(buf[:])
		if n == 1 {
			require.Equal(t, want, buf[0].WRID)
			want++
		}
	}
}

// A waiter for more than the ring has room for gets completions too, and one whose
// ring is kept empty by the list; in order, and counted once.
func TestSpillWaitPump(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{Workers: 1})
	d, err := e.NewEVD(EVDConfig{
		CQs: []hwcq.CQ{cq}, Streams: DTO | Software, Mode: ModeEvent, Dispatch: DispatchQueued,
		Capacity: 4, Overflow: OverflowSpill,
	})
	require.NoError(t, err)
	complete := func(from, to uint64) {
		for i := from; i <= to; i++ {
			_, err := cq.Complete(hwcq.WC{WRID: i}, false)
			require.NoError(t, err)
		}
	}
	for i := range uint64(5) {
		require.NoError(t, d.Post(Event{WRID: i + 1}))
	}
	var buf [16]Event
	n, err := d.Dequeue(buf[:4])
	require.NoError(t, err)
	require.Equal(t, 4, n)
	complete(6, 8)
	n, more, err := d.Wait(limit(t), 4, buf[4:6])
	require.NoError(t, err)
	require.Equal(t, 4, n+more)
	complete(9, 12)
	n, more, err = d.Wait(limit(t), 6, buf[6:])
	require.NoError(t, err)
	require.Equal(t, 6, n+more)
	for n += 6; n < 12; {
		k, err := d.Dequeue(buf[n:])
		if err != nil {
			require.ErrorIs(t, err, ErrBusy)
		}
		n += k
	}
	for i := range buf[:n] {
		require.EqualValues(t, i+1, buf[i].WRID)
	}
	st := d.Stats()
	require.EqualValues(t, 5, st.Posted)
	require.EqualValues(t, 7, st.Polled)
	require.EqualValues(t, 12, st.Dequeued)
}

func TestBadOverflow(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1})
	for _, cfg := range []EVDConfig{
		{Overflow: OverflowSpill + 1},
		{Overflow: OverflowSpill, SpillLimit: -1},
		{Overflow: OverflowSpill, SpillLimit: maxSpill + 1},
		{SpillLimit: 1},
	} {
		_, err := e.NewEVD(cfg)
		require.ErrorIs(t, err, ErrInvalid, "%+v", cfg)
	}
	require.Equal(t, "spill", OverflowSpill.String())
	require.Equal(t, "reject", OverflowReject.String())
	require.Equal(t, "overflow(7)", Overflow(7).String())
}
