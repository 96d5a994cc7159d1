//go:build linux && (amd64 || arm64)

package uring

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// pair is a connected pair of sockets.
func pair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _, _ = unix.Close(fds[0]), unix.Close(fds[1]) })
	return fds[0], fds[1]
}

const windows = 200

// A completion between an empty poll and the arm: the kernel never signals it, so that
// who only arms and waits has lost it. Arm says that it is there.
func TestArmFindsWhatTheKernelDoesNotSignal(t *testing.T) {
	r := open(t, Config{})
	lost, found := 0, 0
	for i := range windows {
		require.Zero(t, r.Poll(make([]hwcq.WC, 1)))
		submit(t, r, nop(uint64(i))) // it completes here
		missed, err := r.Arm(false)
		require.NoError(t, err)
		event, err := r.Events().TryWait()
		require.NoError(t, err)
		if !event {
			lost++
		}
		if missed {
			found++
		}
		submit(t, r, nop(0)) // uses the arm up, for the next time
		require.True(t, tryWait(t, r))
		collect(t, r, 2)
	}
	require.Equal(t, windows, lost, "without the look")
	require.Equal(t, windows, found, "by the look")
}

// The same with a completion that the kernel has not made yet, but could: of an owner's
// ring, not even the tail of the completion queue shows it.
func TestArmFindsTaskWork(t *testing.T) {
	r := openOwned(t, Config{})
	a, b := pair(t)
	buf, dst := make([]byte, 8), make([]hwcq.WC, 1)
	lost, lostByTail, found := 0, 0, 0
	for i := range windows {
		submit(t, r, Recv(a, buf, 0))
		require.Zero(t, r.Poll(dst), "nothing to receive; and the request is on its way")
		_, err := unix.Write(b, []byte{byte(i)})
		require.NoError(t, err)
		missed, err := r.Arm(false)
		require.NoError(t, err)
		if signals, err := readable(r.bell.fd); err == nil && !signals {
			lost++
		}
		if r.cqTail.Load() == r.cqHead.Load() {
			lostByTail++
		}
		if missed {
			found++
		}
		require.Equal(t, 1, r.Poll(dst))
		require.Equal(t, byte(i), buf[0])
		event, err := r.Events().TryWait()
		require.NoError(t, err)
		require.True(t, event, "it became visible after the arm")
	}
	require.Equal(t, windows, lost, "without a look")
	require.Equal(t, windows, lostByTail, "by a look at the tail alone")
	require.Equal(t, windows, found, "by the look at the flags too")
}

func readable(fd int) (bool, error) {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds[:], 0)
	return n > 0, err
}

// armed arms and expects nothing to be there.
func arm(t *testing.T, r *Ring) {
	t.Helper()
	missed, err := r.Arm(false)
	require.NoError(t, err)
	require.False(t, missed)
}

func tryWait(t *testing.T, r *Ring) bool {
	t.Helper()
	event, err := r.Events().TryWait()
	require.NoError(t, err)
	return event
}

// One event an arm, none for what was there before.
func TestArmIsOneShot(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		if r.conf.SQPoll { // whose thread is to go to sleep soon
			r = open(t, Config{SQPoll: true, SQPollIdle: time.Millisecond})
		}
		step := func(n int) {
			for range n {
				submit(t, r, nop(1))
				collect(t, r, 1)
			}
			for r.conf.SQPoll && r.sqFlags.Load()&sqNeedWakeup == 0 {
				runtime.Gosched() // it signals a moment after the completion is there
			}
		}
		step(3)
		require.False(t, tryWait(t, r), "not armed")
		arm(t, r)
		require.False(t, tryWait(t, r), "what came before does not count")
		step(3)
		require.True(t, tryWait(t, r))
		require.False(t, tryWait(t, r), "one-shot")
		step(1)
		require.False(t, tryWait(t, r), "used up")
		arm(t, r)
		arm(t, r)
		step(1)
		require.True(t, tryWait(t, r), "armed twice is armed")
		require.False(t, tryWait(t, r))

		// The event of an earlier arm does not use up a later one.
		arm(t, r)
		step(1)
		arm(t, r)
		require.True(t, tryWait(t, r), "of the first arm")
		require.False(t, tryWait(t, r))
		step(1)
		require.True(t, tryWait(t, r), "of the second")
	})
}

func TestWakeIsStickyAndCoalesces(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		e := r.Events()
		for range 3 {
			e.Wake()
			e.Wake()
			require.False(t, tryWait(t, r), "a Wake is left for Wait")
			event, err := e.Wait()
			require.NoError(t, err)
			require.False(t, event)
		}
		arm(t, r)
		e.Wake()
		submit(t, r, nop(1))
		got := []bool{}
		for range 2 {
			event, err := e.Wait()
			require.NoError(t, err)
			got = append(got, event)
		}
		require.ElementsMatch(t, []bool{true, false}, got, "one does not swallow the other")
		collect(t, r, 1)
	})
}

// A waiter hears of everything that others submit, one at a time and many.
func TestWaitHearsOthers(t *testing.T) {
	shapes(t, Config{Entries: 16}, func(t *testing.T, r *Ring) {
		const each, submitters = 400, 3
		var wg sync.WaitGroup
		a, b := pair(t)
		for s := range submitters {
			wg.Go(func() {
				buf, err := r.Alloc(1)
				if err != nil {
					t.Error(err)
					return
				}
				for i := range each {
					q := Nop()
					if i%8 == 0 { // one that completes later
						q = Recv(a, buf, 0)
					}
					q.WRID = uint64(s)<<32 | uint64(i)
					for n := 0; n == 0; {
						if n, err = r.Submit([]Request{q}); err != nil && n == 0 {
							// Full. The kernel's thread (SQPoll) needs a CPU to go on.
							time.Sleep(50 * time.Microsecond)
						}
					}
					if i%8 == 0 {
						_, _ = unix.Write(b, []byte{1})
					}
				}
			})
		}
		seen := map[uint64]int{}
		dst := make([]hwcq.WC, 8)
		for len(seen) < each*submitters {
			if n := r.Poll(dst); n > 0 {
				for _, wc := range dst[:n] {
					seen[wc.WRID]++
					require.Equal(t, hwcq.StatusSuccess, wc.Status)
				}
				continue
			}
			missed, err := r.Arm(false)
			require.NoError(t, err)
			if missed {
				continue
			}
			event, err := r.Events().Wait()
			require.NoError(t, err)
			require.True(t, event)
		}
		wg.Wait()
		for id, n := range seen {
			require.Equal(t, 1, n, "%x", id)
		}
	})
}

// The kernel runs only so much task work in one call (20 pieces, since 6.13), and
// signals nothing of the rest: the owner does not go to sleep over it. What is in the way
// here are receives that were woken for data which somebody else has taken.
func TestOwnerRunsAllTaskWork(t *testing.T) {
	r := open(t, Config{Shape: Owner})
	a, b := pair(t)
	c, d := pair(t)
	heard := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := r.Bind(); err != nil {
			heard <- err
			return
		}
		defer func() {
			if err := r.Unbind(); err != nil {
				t.Error(err)
			}
		}()
		for range 100 {
			submitOne(t, r, Recv(a, make([]byte, 1), 0))
		}
		submitOne(t, r, PollAdd(c, unix.POLLIN))
		r.Poll(make([]hwcq.WC, 1)) // they are at the kernel
		_, _ = unix.Write(b, []byte{1})
		_, _ = unix.Read(a, make([]byte, 1))
		_, _ = unix.Write(d, []byte{1})
		_, err := r.Arm(false)
		if err == nil {
			_, err = r.Events().Wait()
		}
		heard <- err
	}()
	select {
	case err := <-heard:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		r.Events().Wake()
		t.Fatal("it sleeps over task work")
	}
}

func submitOne(t *testing.T, r *Ring, q Request) {
	if _, err := r.Submit([]Request{q}); err != nil {
		t.Error(err)
	}
}
