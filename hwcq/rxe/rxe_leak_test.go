//go:build linux && (amd64 || arm64)

package rxe

import (
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// everything is one of each thing that a device can have open.
type everything struct {
	d   *Device
	ch  *Channel
	cqs []*CQ // of each way to wait
	pd  *PD
	buf *Buffer
	mr  *MR
	qps []*QP // one for each CQ
}

// openEverything opens as much as it can. What fails leaves the rest to close.
func openEverything() (x *everything, err error) {
	x = &everything{}
	step := func(f func() error) {
		if err == nil {
			err = f()
		}
	}
	step(func() (err error) { x.d, err = Open(Config{}); return err })
	step(func() (err error) { x.ch, err = x.d.OpenChannel(); return err })
	step(func() (err error) { x.pd, err = x.d.OpenPD(); return err })
	for _, c := range []CQConfig{
		{Wait: WaitRead},
		{Wait: WaitPoll},
		{Wait: WaitRuntime},
		{Channel: x.ch},
		{Channel: x.ch, Depth: 4000},
	} {
		step(func() error {
			cq, err := x.d.OpenCQ(c)
			if err == nil {
				x.cqs = append(x.cqs, cq)
			}
			return err
		})
	}
	step(func() (err error) { x.buf, err = OpenBuffer(1 << 16); return err })
	step(func() (err error) { x.mr, err = x.pd.Reg(x.buf, LocalWrite|RemoteWrite); return err })
	for i := range x.cqs {
		step(func() error {
			qp, err := x.pd.OpenQP(QPConfig{SendCQ: x.cqs[i], Inline: 16, Remote: RemoteWrite})
			if err == nil {
				x.qps = append(x.qps, qp)
			}
			return err
		})
	}
	return x, err
}

// close closes all that is open, by hand or with the device.
func (x *everything) close(orderly bool) error {
	var errs []error
	if orderly {
		for _, qp := range x.qps {
			errs = append(errs, qp.Close())
		}
		for _, cq := range x.cqs {
			errs = append(errs, cq.Close())
			if cq.unacked != 0 {
				errs = append(errs, errors.New("events were not handed over"))
			}
		}
		if x.mr != nil {
			errs = append(errs, x.mr.Close())
		}
		if x.pd != nil {
			errs = append(errs, x.pd.Close())
		}
		if x.ch != nil {
			errs = append(errs, x.ch.Close())
		}
	}
	if x.d != nil {
		errs = append(errs, x.d.Close())
	}
	if x.buf != nil {
		errs = append(errs, x.buf.Close())
	}
	return errors.Join(errs...)
}

// nothingLeaks compares what the process holds before and after test.
func nothingLeaks(t *testing.T, test func()) {
	settle := func() {
		for range 5 {
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
	}
	settle()
	base, baseMaps, baseGs := inventory(t), countMaps(t), runtime.NumGoroutine()
	test()
	require.Equal(t, base, inventory(t), "at once, without the garbage collector")
	require.Eventually(t, func() bool { return runtime.NumGoroutine() <= baseGs+1 }, patience, time.Millisecond, // +1: Eventually's own
		"goroutines are left")
	settle()
	require.Less(t, countMaps(t), baseMaps+20) // the runtime maps memory too
}

// Opening everything fails at every file descriptor that it needs, one after the other,
// for want of it. What had been opened is released, each time.
func TestRXENothingLeaksWhenOpeningFails(t *testing.T) {
	needRXE(t)
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(unix.RLIMIT_NOFILE, &old))
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	most := 0
	for _, f := range fds {
		n, err := strconv.Atoi(f.Name())
		require.NoError(t, err)
		most = max(most, n)
	}
	x, err := openEverything() // the helpers' PD and the like exist from now on
	require.NoError(t, err)
	require.NoError(t, x.close(true))
	nothingLeaks(t, func() {
		failures := 0
		for extra := uint64(0); ; extra++ {
			require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(most) + extra, Max: old.Max}))
			x, err := openEverything()
			cerr := x.close(extra%2 == 0)
			require.NoError(t, unix.Setrlimit(unix.RLIMIT_NOFILE, &old))
			require.NoError(t, cerr, "closing what was opened")
			if err == nil {
				break
			}
			require.ErrorIs(t, err, unix.EMFILE)
			failures++
		}
		require.Greater(t, failures, 6)
	})
}

// Everything is closed in any order, by several at once, beside posters, pollers, waiters
// and an engine: nothing hangs, nothing faults, and everything is released.
func TestRXECloseUnderTraffic(t *testing.T) {
	needRXE(t)
	rounds := 6
	if !testing.Short() {
		rounds = 60
	}
	nothingLeaks(t, func() {
		for round := range rounds {
			closeUnderTraffic(t, rand.New(rand.NewPCG(uint64(round), 11)))
		}
	})
}

func closeUnderTraffic(t *testing.T, rnd *rand.Rand) {
	x, err := openEverything()
	require.NoError(t, err)
	n := len(x.qps)
	for i := 0; i+1 < n; i += 2 {
		require.NoError(t, ConnectPair(x.qps[i], x.qps[i+1], ConnectConfig{Retries: 1, RNRRetries: 1}))
	}
	e, err := engine.New(engine.Config{})
	require.NoError(t, err)
	g, err := e.NewPoller(engine.PollerConfig{})
	require.NoError(t, err)
	evds := make([]*engine.EVD, 2) // on the first two CQs
	for i := range evds {
		evds[i], err = e.NewEVD(engine.EVDConfig{
			CQs: []hwcq.CQ{x.cqs[i]}, Policy: engine.SingleInstance, Upcall: func(*engine.Upcall) {},
			Poller: []*engine.Poller{nil, g}[i],
		})
		require.NoError(t, err)
	}

	var traffic, closing sync.WaitGroup
	var over atomic.Bool
	loop := func(body func()) {
		traffic.Go(func() {
			for !over.Load() {
				body()
				runtime.Gosched()
			}
		})
	}
	sge := []SGE{x.mr.SGE(0, 64)} // read before the region is closed
	for _, qp := range x.qps {
		loop(func() { _ = qp.PostRecv(&RecvWR{WRID: 1, SGL: sge}) })
		loop(func() {
			_ = qp.PostSend(&SendWR{Op: OpSend, Flags: Signaled | Solicited | Inline, InlineData: []byte("x")})
			_, _ = qp.Query()
		})
	}
	for _, cq := range x.cqs[len(evds):] {
		dst := make([]hwcq.WC, 16)
		loop(func() { cq.Poll(dst); cq.Pending() })
		loop(func() { _, _ = cq.Arm(false); cq.Events().Wake() })
		traffic.Go(func() {
			for {
				if _, err := cq.Events().Wait(); err != nil {
					if !errors.Is(err, hwcq.ErrClosed) {
						t.Error(err)
					}
					return
				}
			}
		})
	}

	// until repeats a Close that others' use keeps from succeeding.
	until := func(after time.Duration, close func() error) {
		closing.Go(func() {
			time.Sleep(after)
			for end := time.Now().Add(patience); ; runtime.Gosched() {
				err := close()
				if err == nil {
					return
				}
				if !errors.Is(err, hwcq.ErrBusy) || time.Now().After(end) {
					t.Error(err)
					return
				}
			}
		})
	}
	pause := func() time.Duration { return time.Duration(rnd.IntN(8000)) * time.Microsecond }
	closers := []func() error{x.ch.Close, x.pd.Close, x.mr.Close, x.buf.Close}
	for _, qp := range x.qps {
		closers = append(closers, qp.Close, qp.SetError)
	}
	for _, cq := range x.cqs {
		closers = append(closers, cq.Close)
	}
	for _, d := range evds {
		closers = append(closers, d.Close)
	}
	for _, c := range closers {
		until(pause(), func() error {
			if err := c(); !errors.Is(err, hwcq.ErrClosed) { // SetError of a closed QP
				return err
			}
			return nil
		})
	}
	if rnd.IntN(2) == 0 { // before most of the others
		until(pause()/2, x.d.Close)
	}
	closing.Wait()
	require.NoError(t, e.Close())
	require.NoError(t, x.d.Close())
	over.Store(true)
	traffic.Wait()
	require.NoError(t, x.buf.Close())
}
