//go:build linux && (amd64 || arm64)

package rxe

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// churn opens objects and closes some of them, until the device is closed.
func churn(d *Device) error {
	for {
		pd, err := d.OpenPD()
		if err != nil {
			return err
		}
		cq, err := d.OpenCQ(CQConfig{Depth: 7, Wait: WaitPoll})
		if err != nil {
			return err
		}
		if _, err := pd.RegBytes(make([]byte, 100), LocalWrite); err != nil {
			return err
		}
		qp, err := pd.OpenQP(QPConfig{SendCQ: cq, SendDepth: 7, RecvDepth: 7})
		if err != nil {
			return err
		}
		if err := qp.Close(); err != nil {
			return err
		}
		if err := cq.Close(); err != nil {
			return err
		}
	}
}

// Close of a device beside those who open and close objects on it: none is left over, with
// the number of a file that is not the device's any more.
func TestDeviceCloseBesideOpen(t *testing.T) {
	for range 300 {
		fds, maps := holdings(t)
		d, k, err := openFake(t, nil)
		require.NoError(t, err)
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() { errs[i] = churn(d) })
		}
		require.NoError(t, d.Close())
		wg.Wait()
		for _, err := range errs {
			require.ErrorIs(t, err, hwcq.ErrClosed)
		}
		k.gone()
		afterFDs, afterMaps := holdings(t)
		require.Equal(t, fds, afterFDs)
		require.Equal(t, maps, afterMaps)
	}
}

// What the kernel does not destroy goes with the device's file, and nothing of it stays:
// neither memory that is pinned, nor a queue that goes on with the file's number.
func TestDeviceCloseIsForAll(t *testing.T) {
	fds, maps := holdings(t)
	d, k, err := openFake(t, func(cmd uint32, _, _ []byte) unix.Errno {
		if destroys[cmd] != 0 && cmd != cmdDeallocPD {
			return unix.EBUSY
		}
		return 0
	})
	require.NoError(t, err)
	pd, err := d.OpenPD()
	require.NoError(t, err)
	cq, err := d.OpenCQ(CQConfig{Depth: 7, Wait: WaitPoll})
	require.NoError(t, err)
	qp, err := pd.OpenQP(QPConfig{SendCQ: cq, SendDepth: 7, RecvDepth: 7})
	require.NoError(t, err)
	mw, err := pd.OpenMW()
	require.NoError(t, err)
	require.NoError(t, mw.bindOn(&qp.windows))
	mr, err := pd.RegBytes(make([]byte, 100), 0)
	require.NoError(t, err)

	require.ErrorIs(t, d.Close(), unix.EBUSY)
	require.Empty(t, d.live)
	require.True(t, mr.closed, "what is pinned for ever ends the process when it is garbage")
	require.ErrorIs(t, qp.PostSend(&SendWR{Op: OpSend}), hwcq.ErrClosed)
	_, err = cq.Arm(false)
	require.ErrorIs(t, err, hwcq.ErrClosed)
	require.NoError(t, unix.Close(k.asyncW))
	afterFDs, afterMaps := holdings(t)
	require.Equal(t, fds, afterFDs)
	require.Equal(t, maps, afterMaps)
}

// A QP that is half closed is waited for: what it uses can be closed then.
func TestDeviceCloseBesideQPClose(t *testing.T) {
	d, k, err := openFake(t, nil)
	require.NoError(t, err)
	pd, err := d.OpenPD()
	require.NoError(t, err)
	cq, err := d.OpenCQ(CQConfig{Depth: 7, Wait: WaitPoll})
	require.NoError(t, err)
	qp, err := pd.OpenQP(QPConfig{SendCQ: cq, SendDepth: 7, RecvDepth: 7})
	require.NoError(t, err)

	pd.use.mu.Lock() // keeps it from letting go of what it uses
	done := make(chan error)
	go func() { done <- qp.Close() }()
	require.Eventually(t, func() bool {
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.live[cmdCreateQP] == 0
	}, patience, time.Millisecond)
	go func() { done <- d.Close() }()
	time.Sleep(20 * time.Millisecond) // it would go on now, were it not to wait
	pd.use.mu.Unlock()
	require.NoError(t, <-done)
	require.NoError(t, <-done)
	k.gone()
}

// A command that takes long, because a neighbour does not answer, holds up no other; but
// Close of the device, which needs its file, waits.
func TestCommandsRunBeside(t *testing.T) {
	d, k, err := openFake(t, nil)
	require.NoError(t, err)
	var inside atomic.Bool
	end, kernel := make(chan struct{}), d.kernel
	d.kernel = func(page []byte) unix.Errno {
		if inside.CompareAndSwap(false, true) {
			<-end
		}
		return kernel(page)
	}
	done := make(chan error)
	go func() { _, err := d.QueryPort(); done <- err }()
	require.Eventually(t, inside.Load, patience, time.Millisecond)
	pd, err := d.OpenPD()
	require.NoError(t, err)
	d.dispatch(asyncDesc{kind: AsyncQPFatal, element: pd.id})
	closed := make(chan error)
	go func() { closed <- d.Close() }()
	select {
	case <-closed:
		t.Fatal("its file was closed under a command")
	case <-time.After(20 * time.Millisecond):
	}
	end <- struct{}{}
	require.NoError(t, <-done)
	require.NoError(t, <-closed)
	k.gone()
}
