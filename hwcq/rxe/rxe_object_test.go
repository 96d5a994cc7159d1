//go:build linux && (amd64 || arm64)

package rxe

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

func TestRXEDevice(t *testing.T) {
	d := needRXE(t)
	require.True(t, d.Info().RXE)
	require.NotEmpty(t, d.Info().NetDev)
	require.Positive(t, d.NumCompVectors())

	a, err := d.QueryDevice()
	require.NoError(t, err)
	require.Equal(t, 1, a.Ports)
	require.Equal(t, 32, a.MaxSGE)
	require.Equal(t, 32767, a.MaxCQE)
	p, err := d.QueryPort()
	require.NoError(t, err)
	require.Equal(t, PortActive, p.State)
	require.EqualValues(t, 2, p.LinkLayer)
	g, err := d.DefaultGID()
	require.NoError(t, err)
	require.True(t, g.GID.IsIPv4())
	require.Equal(t, GIDTypeRoCEv2, g.Type)

	_, err = Open(Config{Device: "nosuch0"})
	require.ErrorIs(t, err, param.ErrInvalid)
	require.ErrorContains(t, err, d.Info().Name)
	again, err := Open(Config{Device: d.Info().Name})
	require.NoError(t, err)
	require.NoError(t, again.Close())
	require.NoError(t, again.Close())
	_, err = again.QueryDevice()
	require.ErrorIs(t, err, hwcq.ErrClosed)
	_, err = again.OpenCQ(CQConfig{})
	require.ErrorIs(t, err, hwcq.ErrClosed)
	_, err = again.GIDs()
	require.ErrorIs(t, err, hwcq.ErrClosed)
}

func TestRXELimitsAreReported(t *testing.T) {
	d := needRXE(t)
	_, err := d.OpenCQ(CQConfig{Vector: 1 << 20})
	require.ErrorIs(t, err, param.ErrInvalid)
	cq, err := d.OpenCQ(CQConfig{Depth: 10})
	require.NoError(t, err)
	require.Equal(t, 15, cq.Capabilities().Depth, "a power of two less one")
	require.Equal(t, hwcq.OverrunLossy, cq.Capabilities().Overrun)

	other, err := Open(Config{})
	require.NoError(t, err)
	defer other.Close()
	pd, err := other.OpenPD()
	require.NoError(t, err)
	_, err = pd.OpenQP(QPConfig{SendCQ: cq})
	require.ErrorIs(t, err, param.ErrInvalid, "a CQ of another device")
}

// What is used cannot be closed, what is closed cannot be used, and a refused
// Close changes nothing.
func TestRXECloseOrder(t *testing.T) {
	d := needRXE(t)
	e := newEnd(t, d, endConfig{})
	require.ErrorIs(t, e.cq.Close(), hwcq.ErrBusy)
	require.ErrorIs(t, e.pd.Close(), hwcq.ErrBusy)
	require.ErrorIs(t, e.buf.Close(), hwcq.ErrBusy)
	e.recv(t, 1, 64)
	e.arm(t, false)

	e.close(t)
	e.close(t)
	_, err := e.pd.OpenQP(QPConfig{SendCQ: e.cq})
	require.ErrorIs(t, err, hwcq.ErrClosed)
	require.ErrorIs(t, e.qp.PostRecv(&RecvWR{}), hwcq.ErrClosed)
	require.ErrorIs(t, e.qp.PostSend(&SendWR{Op: OpSend}), hwcq.ErrClosed)
	require.ErrorIs(t, e.qp.SetError(), hwcq.ErrClosed)
	require.ErrorIs(t, e.qp.Connect(Dest{GID: GID{1}}, ConnectConfig{}), hwcq.ErrClosed)
	_, err = e.qp.Query()
	require.ErrorIs(t, err, hwcq.ErrClosed)
	_, err = e.cq.Arm(false)
	require.ErrorIs(t, err, hwcq.ErrClosed)
	require.Nil(t, e.buf.Bytes())
	_, err = e.pd.Reg(e.buf, LocalWrite)
	require.ErrorIs(t, err, hwcq.ErrClosed)
}

// Device.Close closes everything that was left open on it.
func TestRXEDeviceCloseClosesTheRest(t *testing.T) {
	needRXE(t)
	d, err := Open(Config{})
	require.NoError(t, err)
	cq, err := d.OpenCQ(CQConfig{})
	require.NoError(t, err)
	pd, err := d.OpenPD()
	require.NoError(t, err)
	buf, err := OpenBuffer(4096)
	require.NoError(t, err)
	mr, err := pd.Reg(buf, LocalWrite)
	require.NoError(t, err)
	qp, err := pd.OpenQP(QPConfig{SendCQ: cq})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	for _, err := range []error{qp.Close(), cq.Close(), mr.Close(), pd.Close(), buf.Close(), d.Close()} {
		require.NoError(t, err)
	}
	require.Zero(t, cq.Poll(make([]hwcq.WC, 1)))
	_, err = cq.Events().Wait()
	require.ErrorIs(t, err, hwcq.ErrClosed)
}

// A callback may close the device it was called by.
func TestRXECloseFromCallback(t *testing.T) {
	needRXE(t)
	var d *Device
	closed := make(chan error, 100)
	opened := make(chan struct{})
	d, err := Open(Config{OnAsync: func(AsyncEvent) {
		<-opened
		closed <- d.Close()
	}})
	require.NoError(t, err)
	close(opened)
	c := endConfig{cq: CQConfig{Depth: 4}}
	a, b := newPair(t, d, c, ConnectConfig{})
	for i := range 9 {
		b.recv(t, uint64(i), 64)
	}
	sends := make([]SendWR, 9)
	for i := range sends {
		sends[i] = SendWR{Op: OpSend, Flags: Signaled}
	}
	_, err = a.qp.PostSends(sends)
	require.NoError(t, err)
	select {
	case err := <-closed:
		require.NoError(t, err)
	case <-time.After(patience):
		t.Fatal("no overrun, or Close hangs")
	}
	_, err = a.cq.Arm(false)
	require.ErrorIs(t, err, hwcq.ErrClosed)
}

// inventory counts what the process holds: file descriptors, and mappings of
// the device.
func inventory(t *testing.T) string {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return fmt.Sprintf("%d fds, %d queues mapped", len(fds), bytes.Count(maps, []byte("uverbs")))
}

// countMaps counts all mappings.
func countMaps(t *testing.T) int {
	maps, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return bytes.Count(maps, []byte("\n"))
}

func TestRXENothingLeaks(t *testing.T) {
	needRXE(t)
	cycle := func(orderly bool) {
		d, err := Open(Config{})
		require.NoError(t, err)
		defer func() { require.NoError(t, d.Close()) }()
		for range 3 {
			cq, err := d.OpenCQ(CQConfig{Depth: 4000})
			require.NoError(t, err)
			pd, err := d.OpenPD()
			require.NoError(t, err)
			buf, err := OpenBuffer(1 << 20)
			require.NoError(t, err)
			mr, err := pd.Reg(buf, LocalWrite)
			require.NoError(t, err)
			qp, err := pd.OpenQP(QPConfig{SendCQ: cq, SendDepth: 1000})
			require.NoError(t, err)
			// Failures must not leak either.
			_, err = pd.OpenQP(QPConfig{SendCQ: cq, MaxSGE: 99})
			require.Error(t, err)
			_, err = pd.Reg(buf, 1<<20)
			require.Error(t, err)
			if orderly {
				require.NoError(t, qp.Close())
				require.NoError(t, cq.Close())
			}
			if !orderly {
				require.NoError(t, d.Close())
			}
			require.NoError(t, mr.Close())
			require.NoError(t, buf.Close())
			if !orderly {
				return
			}
		}
	}
	settle := func() {
		for range 5 {
			runtime.GC()
			time.Sleep(10 * time.Millisecond)
		}
	}
	cycle(true)
	cycle(false)
	settle()
	base, baseMaps, baseGs := inventory(t), countMaps(t), runtime.NumGoroutine()
	for range 10 {
		cycle(true)
		cycle(false)
	}
	require.Equal(t, base, inventory(t), "at once, without the garbage collector")
	// A goroutine that has told of its end is counted for a moment longer.
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > baseGs; time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(end), "%d goroutines, %d before", runtime.NumGoroutine(), baseGs)
	}
	settle()
	// The runtime maps memory too; 80 objects that leaked would show.
	require.Less(t, countMaps(t), baseMaps+20)
	require.NotContains(t, addressRanges(t), "uverbs")
}

func addressRanges(t *testing.T) string {
	b, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return string(b)
}

func TestRXEGoneNameIsListed(t *testing.T) {
	needRXE(t)
	devs, err := Devices()
	require.NoError(t, err)
	require.NotEmpty(t, devs)
	for _, d := range devs {
		require.True(t, strings.HasPrefix(d.Node, "/dev/infiniband/uverbs"))
	}
}
