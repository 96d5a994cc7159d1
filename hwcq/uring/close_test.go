//go:build linux && (amd64 || arm64)

package uring

import (
	"bytes"
	"errors"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// serve is a goroutine that binds the ring, polls it and waits, until it is closed.
func serve(t *testing.T, wg *sync.WaitGroup, r *Ring, got func([]hwcq.WC)) (ready chan struct{}) {
	ready = make(chan struct{})
	wg.Go(func() {
		if r.ThreadBound() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		if err := r.Bind(); err != nil {
			t.Error(err)
		}
		close(ready)
		dst := make([]hwcq.WC, 32)
		for {
			if n := r.Poll(dst); n > 0 {
				got(dst[:n])
				continue
			}
			missed, err := r.Arm(false)
			if err == nil && !missed {
				_, err = r.Events().Wait()
			}
			if err != nil {
				if !errors.Is(err, hwcq.ErrClosed) {
					t.Error(err)
				}
				break
			}
		}
		if err := r.Unbind(); err != nil {
			t.Error(err)
		}
	})
	return ready
}

// kinds are the configurations that tests of whole rings run with.
var kinds = map[string]Config{
	"portable": {Entries: 32}, "owner": {Entries: 32, Shape: Owner},
	"coop": {Entries: 32, CoopTaskrun: true}, "sqpoll": {Entries: 32, SQPoll: true},
}

// Close ends a Wait that nothing else would end.
func TestCloseBesideWait(t *testing.T) {
	for name, c := range kinds {
		t.Run(name, func(t *testing.T) {
			for range 50 {
				r, err := Open(c)
				need(t, err)
				var wg sync.WaitGroup
				<-serve(t, &wg, r, func([]hwcq.WC) {})
				require.NoError(t, r.Close())
				wg.Wait()
				_, err = r.Events().Wait()
				require.ErrorIs(t, err, hwcq.ErrClosed)
				_, err = r.Events().TryWait()
				require.ErrorIs(t, err, hwcq.ErrClosed)
				_, err = r.Arm(false)
				require.ErrorIs(t, err, hwcq.ErrClosed)
				_, err = r.Submit([]Request{nop(1)})
				require.ErrorIs(t, err, hwcq.ErrClosed)
				_, err = r.Alloc(1)
				require.ErrorIs(t, err, hwcq.ErrClosed)
				if r.owned {
					require.ErrorIs(t, r.Bind(), hwcq.ErrClosed)
				}
				r.Events().Wake()
				require.Zero(t, r.Poll(make([]hwcq.WC, 1)))
				require.False(t, r.Pending())
				require.NoError(t, r.Close())
			}
		})
	}
}

// Close beside submitters of everything: all of them see the end, and nothing is
// delivered twice or for nobody.
func TestCloseUnderLoad(t *testing.T) {
	for name, c := range kinds {
		t.Run(name, func(t *testing.T) {
			for round := range 10 {
				closeUnderLoad(t, c, round)
			}
		})
	}
}

func closeUnderLoad(t *testing.T, c Config, round int) {
	r, err := Open(c)
	need(t, err)
	a, b := pair(t)
	var (
		wg        sync.WaitGroup
		submitted atomic.Uint64
		polled    = map[uint64]bool{}
		enough    = make(chan struct{})
	)
	ready := serve(t, &wg, r, func(wcs []hwcq.WC) {
		for _, wc := range wcs {
			if polled[wc.WRID] {
				t.Errorf("%d twice", wc.WRID)
			}
			polled[wc.WRID] = true
		}
		if len(polled) > 100*round {
			select {
			case <-enough:
			default:
				close(enough)
			}
		}
	})
	<-ready
	for s := range uint64(3) {
		wg.Go(func() {
			mem, err := r.Alloc(64)
			if err != nil {
				return
			}
			for i := uint64(0); ; i++ {
				reqs := []Request{Nop(), Recv(a, make([]byte, 8), 0), Recv(a, mem, 0), Timeout(time.Hour)}
				for k := range reqs {
					reqs[k].WRID = s<<32 | i<<2 | uint64(k)
				}
				if i%8 != 0 {
					reqs = reqs[:1]
				}
				n, err := r.Submit(reqs)
				submitted.Add(uint64(n))
				switch {
				case errors.Is(err, hwcq.ErrClosed):
					return
				case errors.Is(err, hwcq.ErrFull):
					_, _ = unix.SendmsgN(b, []byte("12345678"), nil, nil, unix.MSG_DONTWAIT)
					runtime.Gosched()
				case err != nil:
					t.Error(err)
					return
				}
				_, _ = r.Stats(), r.Pending()
				r.Events().Wake()
			}
		})
	}
	select {
	case <-enough:
	case <-time.After(10 * time.Millisecond): // full of what does not end
	}
	require.NoError(t, r.Close())
	wg.Wait()
	require.Equal(t, submitted.Load(), r.Stats().Submitted)
	require.LessOrEqual(t, uint64(len(polled)), submitted.Load())
	require.Zero(t, r.Stats().Strange)
}

// resources counts what a ring takes.
func resources(t *testing.T) (fds, maps, goroutines int) {
	dir, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	text, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return len(dir), bytes.Count(text, []byte("io_uring")), runtime.NumGoroutine()
}

// A thousand rings under traffic leave nothing behind.
func TestOpenAndCloseLeakNothing(t *testing.T) {
	cycles := 1000
	if testing.Short() {
		cycles = 100
	}
	a, b := pair(t)
	cycle := func(i int) {
		c := []Config{{Entries: 8}, {Entries: 8, Shape: Owner}, {Entries: 8, CoopTaskrun: true}}[i%3]
		r, err := Open(c)
		need(t, err)
		mem, err := r.Alloc(1 << 16)
		require.NoError(t, err)
		if c.Shape == Owner {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		require.NoError(t, r.Bind())
		submit(t, r, Nop(), Recv(a, mem[:1], 0), Recv(a, make([]byte, 1), 0), Timeout(time.Hour), PollMulti(a, unix.POLLIN))
		_, err = unix.Write(b, []byte{1})
		require.NoError(t, err)
		for n, dst := 0, make([]hwcq.WC, 8); n < 2; {
			n += r.Poll(dst)
		}
		if i%2 == 0 {
			require.NoError(t, r.Unbind())
		}
		require.NoError(t, r.Close())
	}
	for i := range 6 {
		cycle(i)
	}
	fds, maps, goroutines := resources(t)
	for i := range cycles {
		cycle(i)
	}
	// The address ranges go with the garbage collector, the goroutines of timers soon.
	for i := 0; ; i++ {
		runtime.GC()
		f, m, g := resources(t)
		if f <= fds && m <= maps && g <= goroutines {
			break
		}
		require.Less(t, i, 1000, "fds %d, at first %d; mappings %d, %d; goroutines %d, %d", f, fds, m, maps, g, goroutines)
		time.Sleep(10 * time.Millisecond)
	}
}

// The address range of a closed ring stays for a late look, and goes with the ring.
func TestRangeOfAClosedRing(t *testing.T) {
	r, err := Open(Config{})
	need(t, err)
	addr := r.pages[0].Addr()
	require.NoError(t, r.Close())
	copy(r.pages[0].Bytes(), "still there")
	require.True(t, holds(t, addr, "still there"))
	keepAlive.mu.Lock()
	require.NotContains(t, keepAlive.set, r)
	keepAlive.mu.Unlock()
	runtime.KeepAlive(r)
	r = nil
	require.Eventually(t, func() bool {
		runtime.GC()
		return !holds(t, addr, "still there")
	}, 20*time.Second, time.Millisecond)
}

// holds tells whether the memory at addr can be read and begins with mark.
func holds(t testing.TB, addr uint64, mark string) bool {
	mem, err := os.Open("/proc/self/mem")
	require.NoError(t, err)
	defer func() { require.NoError(t, mem.Close()) }()
	b := make([]byte, len(mark))
	_, err = mem.ReadAt(b, int64(addr))
	return err == nil && string(b) == mark
}

// The owner may close his ring himself: what he does with it afterwards ends at once.
func TestCloseByTheOwner(t *testing.T) {
	a, _ := pair(t)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r, err := Open(Config{Shape: Owner})
	need(t, err)
	require.NoError(t, r.Bind())
	submit(t, r, Recv(a, make([]byte, 8), 0))
	require.Zero(t, r.Poll(make([]hwcq.WC, 1)))
	require.NoError(t, r.Close())
	_, err = r.Events().Wait()
	require.ErrorIs(t, err, hwcq.ErrClosed)
	_, err = r.Events().TryWait()
	require.ErrorIs(t, err, hwcq.ErrClosed)
	require.NoError(t, r.Unbind())
	require.ErrorIs(t, r.Bind(), hwcq.ErrClosed)
}

// Close does not wait for an owner whose thread is gone.
func TestCloseSeesThatTheOwnerIsGone(t *testing.T) {
	limit := settleLimit
	settleLimit = time.Hour
	defer func() { settleLimit = limit }()
	r, err := Open(Config{Shape: Owner})
	need(t, err)
	onADyingThread(func() { err = r.Bind() })
	require.NoError(t, err)
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	select {
	case err = <-closed:
		require.NoError(t, err)
	case <-time.After(20 * time.Second):
		t.Fatal("it waits for the dead")
	}
}

// Completions that come and come do not keep Close from cancelling, nor from its end.
func TestCloseUnderAFlood(t *testing.T) {
	limit := settleLimit
	settleLimit = 10 * time.Millisecond
	defer func() { settleLimit = limit }()
	r, f := openFake(t, Config{Entries: 4})
	submit(t, r, nop(1))
	r.fake = func(uint32, uint32) (uint32, unix.Errno) {
		f.complete(cqe{userData: messageBit | 5})
		return 0, 0
	}
	closed := make(chan error, 1)
	go func() { closed <- r.Close() }()
	select {
	case err := <-closed:
		require.ErrorIs(t, err, hwcq.ErrBusy)
	case <-time.After(20 * time.Second):
		t.Fatal("it goes on for ever")
	}
	r.fake = f.enter
	f.complete(cqe{userData: r.sqe(0).userData})
	require.NoError(t, r.Close())
}

// An owner that only polls does his part of Close in Poll.
func TestCloseBesideAPollingOwner(t *testing.T) {
	limit := settleLimit
	settleLimit = 20 * time.Second
	defer func() { settleLimit = limit }()
	r, err := Open(Config{Shape: Owner})
	need(t, err)
	bound, stop, done := make(chan error, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		bound <- r.Bind()
		for dst := make([]hwcq.WC, 8); ; r.Poll(dst) {
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	require.NoError(t, <-bound)
	a, _ := pair(t)
	submit(t, r, Recv(a, make([]byte, 8), 0))
	require.NoError(t, r.Close())
	close(stop)
	<-done
}

// A connection that was accepted, and that nobody has polled, is closed with the ring.
func TestCloseClosesWhatWasAccepted(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		listener, addr := localhost(t)
		client := socket(t, unix.AF_INET)
		require.Equal(t, 0, succeeds(t, r, connecting(t, client, addr)))
		submit(t, r, AcceptMulti(listener, unix.SOCK_CLOEXEC))
		if r.ThreadBound() {
			require.NoError(t, r.Unbind())
		}
		require.NoError(t, r.Close())
		require.NoError(t, unix.SetsockoptTimeval(client, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 20}))
		n, err := unix.Read(client, make([]byte, 1)) // the end, or a reset
		require.True(t, err == unix.ECONNRESET || err == nil && n == 0, "%d %v", n, err)
	})
}
