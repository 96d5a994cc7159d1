//go:build linux && (amd64 || arm64)

package uring

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

func TestAlloc(t *testing.T) {
	r := open(t, Config{})
	for _, n := range []int{0, -1, maxAlloc + 1} {
		_, err := r.Alloc(n)
		require.ErrorIs(t, err, param.ErrInvalid)
		require.ErrorContains(t, err, "n = ")
	}
	var all [][]byte
	for n := 1; n < 1<<20; n *= 3 {
		b, err := r.Alloc(n)
		require.NoError(t, err)
		require.Len(t, b, n)
		require.Equal(t, n, cap(b))
		require.Zero(t, (&Request{}).address())
		q := Read(0, b, 0)
		require.Zero(t, q.address()%uint64(os.Getpagesize()), "page-aligned")
		all = append(all, b)
		for _, b := range all {
			q := Read(0, b[len(b)-1:], 0)
			require.True(t, r.arena.has(q.address()))
		}
	}
	q := Read(0, make([]byte, 1), 0)
	require.False(t, r.arena.has(q.address()))
	require.False(t, r.arena.has(0))
}

// Submit and Poll allocate nothing, for requests without memory and with the ring's.
func TestNoAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		f, err := os.Open("/proc/self/exe")
		require.NoError(t, err)
		defer f.Close()
		mem, err := r.Alloc(4 * 512)
		require.NoError(t, err)
		fd := int(f.Fd())
		var cq hwcq.CQ = r
		dst, reqs := make([]hwcq.WC, 8), make([]Request, 8)
		require.Zero(t, testing.AllocsPerRun(200, func() {
			for i := range reqs {
				reqs[i] = Nop()
				if i%2 == 0 {
					reqs[i] = Read(fd, mem[i*256:][:512], 0)
				}
			}
			if n, err := r.Submit(reqs); n != len(reqs) {
				t.Error(n, err)
			}
			for n := 0; n < len(reqs); {
				k := cq.Poll(dst)
				for _, wc := range dst[:k] {
					if wc.Status != hwcq.StatusSuccess {
						t.Error(wc)
					}
				}
				n += k
			}
			if _, err := cq.Arm(false); err != nil {
				t.Error(err)
			}
			if _, err := cq.Events().TryWait(); err != nil {
				t.Error(err)
			}
			_, _, _ = cq.Pending(), cq.Capabilities(), r.Stats()
		}))
	})
}

// A Go buffer that nobody but the kernel knows stays until the last completion.
func TestGoBuffersArePinned(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		a, b := pair(t)
		gone := make(chan struct{})
		func() {
			buf := new([4096]byte)
			runtime.AddCleanup(buf, func(int) { close(gone) }, 0)
			submit(t, r, Recv(a, buf[:], 0))
		}()
		r.Poll(make([]hwcq.WC, 1))
		for range 5 {
			runtime.GC()
			runtime.Gosched()
		}
		select {
		case <-gone:
			t.Fatal("collected in flight")
		default:
		}
		_, err := unix.Write(b, []byte("x"))
		require.NoError(t, err)
		collect(t, r, 1)
		collected(t, gone)
	})
}

// collected waits for the collector.
func collected(t *testing.T, gone chan struct{}) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); ; {
		runtime.GC()
		select {
		case <-gone:
			return
		case <-time.After(time.Millisecond):
			require.True(t, time.Now().Before(end), "kept after the last completion")
		}
	}
}

// The memory of a request that completes several times is held until the last one.
func TestPinnedUntilTheLastCompletion(t *testing.T) {
	r, f := openFake(t, Config{Entries: 4})
	gone := make(chan struct{})
	func() {
		buf := new([4096]byte)
		runtime.AddCleanup(buf, func(int) { close(gone) }, 0)
		submit(t, r, Recv(0, buf[:], 0))
	}()
	u := r.sqe(0).userData
	for range 3 {
		f.complete(cqe{userData: u, res: 1, flags: cqeMore})
		require.Equal(t, FlagMore, collect(t, r, 1)[0].Flags)
		runtime.GC()
		require.Equal(t, 1, r.Stats().InFlight)
	}
	select {
	case <-gone:
		t.Fatal("collected in flight")
	default:
	}
	f.complete(cqe{userData: u, res: 1})
	require.Zero(t, collect(t, r, 1)[0].Flags)
	require.Zero(t, r.Stats().InFlight)
	collected(t, gone)
	f.complete(cqe{userData: u, res: 1}) // once too often
	require.Zero(t, r.Poll(make([]hwcq.WC, 1)))
	require.EqualValues(t, 1, r.Stats().Strange)
	require.NoError(t, r.Close())
}
