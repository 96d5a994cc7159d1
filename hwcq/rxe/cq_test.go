//go:build linux && (amd64 || arm64)

package rxe

import (
	"bytes"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// newFakeCQ is a CQ over plain memory and a fake channel, on a device that
// was closed under it, whose commands go to /dev/null.
func newFakeCQ(t testing.TB, slots uint32) (*CQ, *fakeRing, *fakeChannel) {
	t.Helper()
	null, err := unix.Open("/dev/null", unix.O_WRONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	t.Cleanup(func() { _ = unix.Close(null) })
	dev := &Device{control: control{closed: true}}
	page, err := dev.newHotBlock()
	require.NoError(t, err)

	m, err := mapAnon(ringDataOff + uintptr(slots)<<7)
	require.NoError(t, err)
	put32(m.Base, ringLog2Off, 7)
	put32(m.Base, ringMaskOff, slots-1)
	r, err := newRing(m.Base, m.Size, wcSize)
	require.NoError(t, err)

	ch := newFakeChannel(t, 7, WaitPoll)
	q := &CQ{
		dev: dev, fd: null, id: 7,
		raw: rawCQ{ring: r, ringMap: m, cmd: page},
	}
	q.consumer.use(r, 0)
	// Not a copy of a source in use: ch keeps only the kernel's end.
	q.src.fd, q.src.wakeFD, q.src.cq, q.src.g = ch.fd, ch.wakeFD, 7, newGuard()
	q.src.stat = &q.consumer.stat
	q.ev, q.g = &q.src, &q.src.g
	ch.g.shut()
	return q, &fakeRing{m, r}, ch
}

// Close beside Poll, Pending, Arm, Wait and Wake: no fault, and everything is
// closed afterwards.
func TestCQCloseBesideEverything(t *testing.T) {
	for range 30 {
		q, f, _ := newFakeCQ(t, 16)
		var wg sync.WaitGroup
		start, stop := make(chan struct{}), make(chan struct{})
		loop := func(body func()) {
			wg.Go(func() {
				<-start
				for {
					select {
					case <-stop:
						return
					default:
						body()
						runtime.Gosched()
					}
				}
			})
		}
		dst := make([]hwcq.WC, 4)
		loop(func() {
			// The fake kernel writes WRIDs that are never 0, as a blank page
			// would yield.
			for _, wc := range dst[:q.Poll(dst)] {
				if wc.WRID == 0 {
					t.Error("a completion from a blank page")
				}
			}
		})
		loop(func() { q.Pending() })
		loop(func() {
			if _, err := q.Arm(false); err != nil && err != errArmClosed {
				t.Error(err)
			}
		})
		loop(func() { q.Events().Wake() })
		wg.Go(func() {
			<-start
			for {
				if _, err := q.Events().Wait(); err != nil {
					if err != errWaitClosed {
						t.Error(err)
					}
					return
				}
			}
		})
		for i := range 10 {
			f.complete(hwcq.WC{WRID: uint64(i + 1)})
		}
		close(start)
		runtime.Gosched()
		require.NoError(t, q.Close())
		require.NoError(t, q.Close(), "idempotent")
		close(stop)
		wg.Wait()
		require.Zero(t, q.Poll(dst))
		require.False(t, q.Pending())
		_, err := q.Arm(true)
		require.ErrorIs(t, err, hwcq.ErrClosed)
	}
}

// The address range of a closed CQ is given back once the CQ is garbage.
func TestCQMappingIsGivenBack(t *testing.T) {
	q, _, _ := newFakeCQ(t, 1<<16)
	addr, mark := q.raw.ringMap.Addr(), []byte("the pages of this test")
	require.NoError(t, q.Close())
	require.Zero(t, q.Poll(make([]hwcq.WC, 1)), "a late poll finds zeroed pages")
	copy(q.raw.ringMap.Bytes(), mark)
	require.True(t, holds(t, addr, mark), "still there for a late poll")
	runtime.KeepAlive(q)
	q = nil
	for i := 0; holds(t, addr, mark); i++ {
		require.Less(t, i, 1000, "the range is still mapped")
		runtime.GC()
		runtime.Gosched()
	}
}

// holds tells whether the memory at addr can be read and begins with mark.
// Whether anything is mapped there tells nothing: a new thread's stack may be
// put where a range was.
func holds(t testing.TB, addr uint64, mark []byte) bool {
	mem, err := os.Open("/proc/self/mem")
	require.NoError(t, err)
	defer func() { require.NoError(t, mem.Close()) }()
	b := make([]byte, len(mark))
	_, err = mem.ReadAt(b, int64(addr))
	return err == nil && bytes.Equal(b, mark)
}

func TestCQBusyWhileUsed(t *testing.T) {
	q, _, _ := newFakeCQ(t, 16)
	require.NoError(t, q.use.acquire("test"))
	require.ErrorIs(t, q.Close(), hwcq.ErrBusy)
	_, err := q.Arm(false)
	require.NoError(t, err, "a refused Close changes nothing")
	q.use.release()
	require.NoError(t, q.Close())
	require.ErrorIs(t, q.use.acquire("test"), hwcq.ErrClosed)
}

// Arm reports what it finds in the ring after the command.
func TestCQArmReportsMissed(t *testing.T) {
	q, f, _ := newFakeCQ(t, 16)
	missed, err := q.Arm(false)
	require.NoError(t, err)
	require.False(t, missed)
	f.complete(hwcq.WC{WRID: 1})
	missed, err = q.Arm(false)
	require.NoError(t, err)
	require.True(t, missed)
	require.Equal(t, 1, q.Poll(make([]hwcq.WC, 4)))
	missed, err = q.Arm(true)
	require.NoError(t, err)
	require.False(t, missed)

	f.r.prod.Store(77)
	require.Zero(t, q.Poll(make([]hwcq.WC, 4)))
	_, err = q.Arm(false)
	require.ErrorIs(t, err, ErrCorrupt)
	require.NoError(t, q.Close())
}

func TestCQDoesNotAllocate(t *testing.T) {
	q, f, _ := newFakeCQ(t, 16)
	var cq hwcq.CQ = q
	dst := make([]hwcq.WC, 4)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		f.complete(hwcq.WC{WRID: 1})
		if n := cq.Poll(dst); n != 1 {
			t.Error(n)
		}
		if _, err := cq.Arm(false); err != nil {
			t.Error(err)
		}
		_, _ = cq.Pending(), cq.Capabilities()
	}))
	require.NoError(t, q.Close())
}

// opaque hides from the compiler which CQ it is: the engine does not know either.
//
//go:noinline
func opaque(cq hwcq.CQ) hwcq.CQ { return cq }

// BenchmarkCQPollEmpty is one sample of `make rivals`: a poll of an empty queue through
// the interface, beside C.
func BenchmarkCQPollEmpty(b *testing.B) {
	q, f, _ := newFakeCQ(b, 16)
	f.complete(hwcq.WC{WRID: 1})
	require.Equal(b, 1, q.Poll(make([]hwcq.WC, 32)), "the queue works")
	pollEmpty(b, q)
	require.NoError(b, q.Close())
}

// idle is a CQ whose Poll does nothing.
type idle struct{ hwcq.CQ }

//go:noinline
func (*idle) Poll([]hwcq.WC) int { return 0 }

// BenchmarkCQPollNothing is what the call alone costs: no poll is cheaper.
func BenchmarkCQPollNothing(b *testing.B) { pollEmpty(b, &idle{}) }

// pollEmpty times polls of an empty queue. Its loop is not b.Loop, which counts in
// memory. nivcsw is how often another thread took the CPU meanwhile.
func pollEmpty(b *testing.B, cq hwcq.CQ) {
	cq, dst, sum := opaque(cq), make([]hwcq.WC, 32), 0
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	b.ReportAllocs()
	before := involuntary(b)
	b.ResetTimer()
	for range b.N {
		sum += cq.Poll(dst)
	}
	b.StopTimer()
	b.ReportMetric(float64(involuntary(b)-before), "nivcsw")
	require.Zero(b, sum)
}

// involuntary is how many times this thread lost its CPU to another: getrusage(2).
func involuntary(t testing.TB) int64 {
	var u unix.Rusage
	require.NoError(t, unix.Getrusage(unix.RUSAGE_THREAD, &u))
	return u.Nivcsw
}
