//go:build linux && (amd64 || arm64)

package uring

import (
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// elsewhere runs f on another thread, while the test's thread stays where it is.
func elsewhere(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		f()
	}()
	<-done
}

// onADyingThread runs f on a thread that ends then. It is not the process's first one,
// which the runtime keeps.
func onADyingThread(f func()) {
	done := make(chan struct{})
	var try func()
	try = func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			go try()
			<-done
			return
		}
		defer close(done)
		f() // never unlocked
	}
	go try()
	<-done
}

// What belongs to the owner fails elsewhere, whatever there is to do; the rest works.
func TestOwnerOnTheWrongThread(t *testing.T) {
	r := openOwned(t, Config{Entries: 4})
	dst := make([]hwcq.WC, 8)
	wrong := func(when string) {
		elsewhere(func() {
			_, err := r.Events().Wait()
			require.ErrorIs(t, err, hwcq.ErrWrongThread, when)
			_, err = r.Events().TryWait()
			require.ErrorIs(t, err, hwcq.ErrWrongThread, when)
			require.ErrorIs(t, r.Unbind(), hwcq.ErrWrongThread, when)
			require.ErrorIs(t, r.Bind(), hwcq.ErrBusy, when)
		})
	}
	wrong("idle")
	elsewhere(func() { submit(t, r, nop(1), nop(2)) })
	wrong("something to hand over")
	elsewhere(func() {
		require.True(t, r.Pending())
		require.Zero(t, r.Poll(dst), "the owner has not handed it over")
	})
	submit(t, r, nop(3))
	require.Equal(t, 1, r.Poll(dst[:1]))
	elsewhere(func() {
		require.Equal(t, 2, r.Poll(dst), "what the owner has made visible")
		require.Zero(t, r.Poll(dst))
	})
	_, err := r.Arm(false)
	require.NoError(t, err)
	elsewhere(func() { submit(t, r, nop(4)) })
	require.Equal(t, 1, r.Poll(dst))
	r.Events().Wake()
	wrong("an event and a Wake are due")
	elsewhere(func() { // more than there is room for
		n, err := r.Submit(make([]Request, 6))
		require.Equal(t, 4, n)
		require.ErrorIs(t, err, hwcq.ErrFull)
		require.ErrorContains(t, err, "Entries")
	})
	require.Len(t, collect(t, r, 4), 4)
	n, err := r.Submit(make([]Request, 6)) // the owner makes room by himself
	require.NoError(t, err)
	require.Equal(t, 6, n)
	collect(t, r, 6)

	require.NoError(t, r.Unbind())
	require.NoError(t, r.Unbind())
	elsewhere(func() { require.ErrorIs(t, r.Bind(), hwcq.ErrWrongThread) })
	_, err = r.Submit([]Request{nop(1)})
	require.ErrorIs(t, err, hwcq.ErrClosed)
	require.NoError(t, r.Bind(), "the same thread may come back")
	submit(t, r, nop(7))
	collect(t, r, 1)
}

// What is submitted before Bind goes out after it.
func TestSubmitBeforeBind(t *testing.T) {
	r := open(t, Config{Shape: Owner, Entries: 4})
	dst := make([]hwcq.WC, 8)
	_, err := r.Events().Wait()
	require.ErrorIs(t, err, hwcq.ErrWrongThread)
	n, err := r.Submit([]Request{nop(1), nop(2), nop(3), nop(4), nop(5)})
	require.Equal(t, 4, n)
	require.ErrorIs(t, err, hwcq.ErrFull)
	require.Zero(t, r.Poll(dst))
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, r.Bind())
	require.Len(t, collect(t, r, 4), 4)
	require.NoError(t, r.Unbind())
}

// Nothing stays outstanding at Unbind; what completed stays for Poll.
func TestUnbindCancels(t *testing.T) {
	r := open(t, Config{Shape: Owner})
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	require.NoError(t, r.Bind())
	a, _ := pair(t)
	const reads = 10
	submit(t, r, nop(100))
	for i := range reads {
		q := Recv(a, make([]byte, 8), 0)
		q.WRID = uint64(i)
		submit(t, r, q)
		if i == reads/2 {
			require.Equal(t, 1, r.Poll(make([]hwcq.WC, 1)), "half of them are at the kernel")
		}
	}
	require.NoError(t, r.Unbind())
	require.Zero(t, r.slots.busy())
	elsewhere(func() {
		require.True(t, r.Pending())
		missed, err := r.Arm(false)
		require.NoError(t, err)
		require.True(t, missed)
		for _, wc := range collect(t, r, reads) {
			require.Equal(t, hwcq.StatusWRFlushErr, wc.Status, "%+v", wc)
		}
		require.False(t, r.Pending())
		require.Equal(t, 0, r.Stats().InFlight)
	})
}

// Close of a bound ring: the owner does his part in Wait, or it is refused.
func TestCloseOfABoundRing(t *testing.T) {
	limit := settleLimit
	settleLimit = 50 * time.Millisecond
	defer func() { settleLimit = limit }()
	r, err := Open(Config{Shape: Owner})
	need(t, err)
	a, _ := pair(t)
	bound, wait, waited, end := make(chan struct{}), make(chan struct{}), make(chan error), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := r.Bind(); err != nil {
			t.Error(err)
		}
		close(bound)
		<-wait
		_, err := r.Events().Wait()
		waited <- err
		<-end
	}()
	<-bound
	submit(t, r, Recv(a, make([]byte, 8), 0))
	require.ErrorIs(t, r.Close(), hwcq.ErrBusy, "the owner is elsewhere")
	_, err = r.Submit([]Request{nop(1)})
	require.ErrorIs(t, err, hwcq.ErrClosed)
	settleLimit = limit
	close(wait)
	require.ErrorIs(t, <-waited, hwcq.ErrClosed)
	require.NoError(t, r.Close())
	close(end)
}

// The owner's thread has exited without Unbind: the kernel has ended its requests.
func TestCloseAfterTheOwnerIsGone(t *testing.T) {
	limit := settleLimit
	settleLimit = 0
	defer func() { settleLimit = limit }()
	r, err := Open(Config{Shape: Owner})
	need(t, err)
	a, _ := pair(t)
	onADyingThread(func() {
		if err := r.Bind(); err != nil {
			t.Error(err)
		}
		if _, err := r.Submit([]Request{Recv(a, make([]byte, 8), 0)}); err != nil {
			t.Error(err)
		}
		r.Poll(make([]hwcq.WC, 1))
	})
	require.Eventually(t, func() bool { return r.Close() == nil }, 30*time.Second, time.Millisecond)
}

// Portable rings have no owner.
func TestPortableIsNotBound(t *testing.T) {
	r := open(t, Config{})
	require.False(t, r.ThreadBound())
	require.NoError(t, r.Bind())
	require.NoError(t, r.Unbind())
	submit(t, r, nop(1))
	collect(t, r, 1)
}
