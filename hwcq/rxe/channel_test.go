//go:build linux && (amd64 || arm64)

package rxe

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// fakeShared is a channel with the test at the kernel's end.
type fakeShared struct {
	*Channel
	kernel int
}

func newFakeShared(t testing.TB) *fakeShared {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	c, err := newChannel(&Device{live: map[uint64]object{}}, p[0])
	require.NoError(t, err)
	t.Cleanup(func() {
		require.NoError(t, c.Close())
		_ = unix.Close(p[1])
	})
	return &fakeShared{c, p[1]}
}

// event is what the kernel does when an armed CQ gets a completion.
func (c *fakeShared) event(id uint64) {
	if _, err := unix.Write(c.kernel, le.AppendUint64(nil, id)); err != nil {
		panic(err)
	}
}

func (c *fakeShared) tap(t testing.TB, id uint64) *tap {
	t.Helper()
	x, err := c.join(id)
	require.NoError(t, err)
	return x
}

// close is what CQ.Close does, with read events counted by the kernel.
func (t *tap) close(read uint32) (unread int32) {
	_ = t.stop()
	unread, _ = t.release(read)
	return unread
}

// Events go to the CQ they are of, one by one; those of nobody are dropped and counted.
func TestChannelRoutes(t *testing.T) {
	c := newFakeShared(t)
	a, b := c.tap(t, 10), c.tap(t, 11)
	require.ErrorIs(t, c.Close(), hwcq.ErrBusy)
	for range 3 {
		c.event(11)
	}
	c.event(99)
	c.event(10)
	for _, x := range []*tap{a, b, b, b} {
		ev, err := x.Wait()
		require.NoError(t, err)
		require.True(t, ev)
	}
	require.EqualValues(t, 1, c.Stray())
	for _, x := range []*tap{a, b} {
		ev, err := x.TryWait()
		require.NoError(t, err)
		require.False(t, ev)
	}
	require.Zero(t, a.close(1))
	require.Zero(t, b.close(3))
}

// A CQ is closed when the events that the kernel has counted have all been handed over:
// one may be on its way.
func TestChannelCloseWaitsForEvents(t *testing.T) {
	c := newFakeShared(t)
	a := c.tap(t, 10)
	c.mu.Lock()
	a.got = 1<<32 - 2 // of 2^32
	c.mu.Unlock()
	c.event(10)
	require.Eventually(t, func() bool { c.mu.Lock(); defer c.mu.Unlock(); return a.got == 1<<32-1 }, patience, time.Millisecond)
	closed := make(chan int32)
	go func() { closed <- a.close(0) }()
	select {
	case <-closed:
		t.Fatal("an event is still on its way")
	case <-time.After(20 * time.Millisecond):
	}
	c.event(10)
	require.Zero(t, <-closed)
	c.event(10)
	require.Eventually(t, func() bool { return c.Stray() == 1 }, patience, time.Millisecond)
}

// A count that cannot be is not waited for.
func TestChannelCloseOfNonsense(t *testing.T) {
	c := newFakeShared(t)
	for _, read := range []uint32{2, 100, 1 << 31, 1<<32 - 1} {
		require.Equal(t, int32(read), c.tap(t, 10).close(read))
	}
}

// CQs come and go beside events of others, with waiters, wakes and TryWait in full swing:
// none of the others' is lost.
func TestChannelBesideClose(t *testing.T) {
	c := newFakeShared(t)
	const stays, goes, events = 3, 4, 500
	var wg sync.WaitGroup
	for id := range uint64(stays) {
		x := c.tap(t, id+1)
		wg.Go(func() {
			for n := 0; n < events; {
				ev, err := x.Wait()
				if err != nil {
					t.Error(err)
					return
				}
				if ev {
					n++
				}
			}
			if got := x.close(events); got != 0 {
				t.Error("not handed over: ", got)
			}
		})
		wg.Go(func() {
			for range events {
				c.event(id + 1)
				x.Wake()
			}
		})
	}
	for id := range uint64(goes) {
		wg.Go(func() {
			for range events / 10 {
				x, err := c.join(id + 100)
				if err != nil {
					t.Error(err)
					return
				}
				c.event(id + 100)
				done := make(chan error)
				go func() {
					for {
						if _, err := x.Wait(); err != nil {
							done <- err
							return
						}
					}
				}()
				x.Wake()
				runtime.Gosched()
				if unread := x.close(1); unread != 0 {
					t.Error("not handed over: ", unread)
				}
				if err := <-done; err != errWaitClosed {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Zero(t, c.Stray())
}

// A channel that breaks, or whose device is gone, ends the waits, and nothing hangs.
func TestChannelEnds(t *testing.T) {
	c := newFakeShared(t)
	a, b := c.tap(t, 1), c.tap(t, 2)
	res := make(chan error)
	go func() { _, err := a.Wait(); res <- err }()
	b.lose()
	_, err := b.Wait()
	require.ErrorIs(t, err, hwcq.ErrRemoved)
	_, err = b.TryWait()
	require.ErrorIs(t, err, hwcq.ErrRemoved)
	require.NoError(t, unix.Shutdown(c.kernel, unix.SHUT_WR))
	require.ErrorIs(t, <-res, ErrCorrupt)
	_, err = b.Wait()
	require.ErrorIs(t, err, hwcq.ErrRemoved, "the first reason stays")
	late := c.tap(t, 3)
	_, err = late.Wait()
	require.ErrorIs(t, err, ErrCorrupt)
	require.EqualValues(t, 5, a.close(5), "nobody waits for what cannot come")
	b.close(0)
	late.close(0)
}

// Who is told by Notify is told of events, wakes, removal and Close.
func TestChannelNotify(t *testing.T) {
	c := newFakeShared(t)
	a := c.tap(t, 1)
	told := make(chan struct{}, 10)
	fd, err := a.Notify(func() { told <- struct{}{} })
	require.NoError(t, err)
	require.Equal(t, -1, fd)
	c.event(1)
	<-told
	ev, err := a.TryWait()
	require.NoError(t, err)
	require.True(t, ev)
	a.Wake()
	<-told
	a.lose()
	<-told
	_, err = a.Notify(nil)
	require.NoError(t, err)
	a.Wake()
	require.Empty(t, told)
	_, err = a.Notify(func() { told <- struct{}{} })
	require.NoError(t, err)
	a.close(1)
	<-told
	_, err = a.Notify(func() {})
	require.ErrorIs(t, err, hwcq.ErrClosed)
}

func TestChannelDoesNotAllocate(t *testing.T) {
	c := newFakeShared(t)
	a := c.tap(t, 7)
	msg := le.AppendUint64(nil, 7)
	events := uint32(0)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = a.TryWait()
		_, _ = unix.Write(c.kernel, msg)
		events++
		if ev, err := a.Wait(); !ev || err != nil {
			t.Error(ev, err)
		}
		a.Wake()
		if ev, err := a.Wait(); ev || err != nil {
			t.Error(ev, err)
		}
	}))
	require.Zero(t, a.close(events))
}

// A port's number is no object's id, though both begin at 1.
func TestPortIsNoObject(t *testing.T) {
	var got []AsyncEvent
	d := &Device{live: map[uint64]object{}, onAsync: func(e AsyncEvent) { got = append(got, e) }}
	var told []hwcq.AsyncEvent
	q := &CQ{dev: d}
	q.NotifyAsync(func(e hwcq.AsyncEvent) { told = append(told, e) })
	d.live[1] = q
	d.dispatch(asyncDesc{element: 1, kind: AsyncPortErr})
	d.dispatch(asyncDesc{element: 1, kind: AsyncCQErr})
	d.dispatch(asyncDesc{element: 1, kind: AsyncSRQErr})
	d.dispatch(asyncDesc{element: 1, kind: AsyncGIDChange})
	require.Equal(t, []AsyncEvent{
		{Type: AsyncPortErr, Port: 1}, {Type: AsyncCQErr, CQ: q}, {Type: AsyncSRQErr, CQ: q}, {Type: AsyncGIDChange},
	}, got)
	require.Equal(t, []hwcq.AsyncEvent{{Kind: hwcq.AsyncPortDown, Port: 1}, {Kind: hwcq.AsyncOverrun}, {Kind: hwcq.AsyncOther}}, told)
	require.EqualValues(t, 1, q.Overruns())
	q.NotifyAsync(nil)
	d.dispatch(asyncDesc{element: 1, kind: AsyncPortErr})
	require.Len(t, told, 3)
}
