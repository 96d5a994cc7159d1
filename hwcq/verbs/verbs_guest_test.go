//go:build verbs && cgo && linux

package verbs

import (
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// The tests in verbs_*_test.go need an rxe device. Without one they are
// skipped, unless EVD_RXE_REQUIRED=1 says that there must be one: then its
// absence fails them.

// patience is how long something that must happen may take: a guest without
// hardware virtualisation on a busy host is slow.
const patience = 60 * time.Second

func needRXE(t testing.TB) *Device {
	t.Helper()
	d, err := Open(Config{})
	if err != nil {
		if os.Getenv("EVD_RXE_REQUIRED") == "1" {
			t.Fatalf("EVD_RXE_REQUIRED=1, but: %v", err)
		}
		t.Skipf("needs an rxe device: %v", err)
	}
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d
}

// end is one end of a connection with its own CQ and memory.
type end struct {
	dev *Device
	cq  *CQ
	pd  *PD
	qp  *QP
	buf *Buffer
	mr  *MR
}

type endConfig struct {
	cq  CQConfig
	qp  QPConfig
	mem int
}

func newEnd(t testing.TB, d *Device, c endConfig) *end {
	t.Helper()
	e := &end{dev: d}
	var err error
	e.cq, err = d.OpenCQ(c.cq)
	require.NoError(t, err)
	e.pd, err = d.OpenPD()
	require.NoError(t, err)
	e.buf, err = OpenBuffer(max(c.mem, 4096))
	require.NoError(t, err)
	e.mr, err = e.pd.Reg(e.buf, rxe.LocalWrite|rxe.RemoteWrite|rxe.RemoteRead|rxe.RemoteAtomic)
	require.NoError(t, err)
	c.qp.SendCQ = e.cq
	e.qp, err = e.pd.OpenQP(c.qp)
	require.NoError(t, err)
	t.Cleanup(func() { e.close(t) })
	return e
}

func (e *end) close(t testing.TB) {
	require.NoError(t, e.qp.Close())
	require.NoError(t, e.cq.Close())
	require.NoError(t, e.mr.Close())
	require.NoError(t, e.buf.Close())
	require.NoError(t, e.pd.Close())
}

func newPair(t testing.TB, d *Device, c endConfig, cc rxe.ConnectConfig) (a, b *end) {
	t.Helper()
	a, b = newEnd(t, d, c), newEnd(t, d, c)
	require.NoError(t, ConnectPair(a.qp, b.qp, cc))
	return a, b
}

func (e *end) recv(t testing.TB, id uint64, n int) {
	t.Helper()
	require.NoError(t, e.qp.PostRecv(&rxe.RecvWR{WRID: id, SGL: []rxe.SGE{e.mr.SGE(0, n)}}))
}

func (e *end) send(t testing.TB, id uint64, n int, flags rxe.SendFlags) {
	t.Helper()
	require.NoError(t, e.qp.PostSend(&rxe.SendWR{WRID: id, Op: rxe.OpSend, Flags: flags, SGL: []rxe.SGE{e.mr.SGE(2048, n)}}))
}

// expect polls until n completions came and returns them.
func (e *end) expect(t testing.TB, n int) []hwcq.WC {
	t.Helper()
	var got []hwcq.WC
	var dst [16]hwcq.WC
	for end := time.Now().Add(patience); len(got) < n; {
		k := e.cq.Poll(dst[:min(len(dst), n-len(got))])
		got = append(got, dst[:k]...)
		if k == 0 {
			require.True(t, time.Now().Before(end), "%d of %d completions: %v", len(got), n, got)
			runtime.Gosched()
		}
	}
	return got
}

// untilPending waits until a completion is in the ring.
func (e *end) untilPending(t testing.TB) {
	t.Helper()
	require.Eventually(t, e.cq.Pending, patience, time.Millisecond)
}

// wait returns when an event came.
func (e *end) wait(t testing.TB) {
	t.Helper()
	timer := time.AfterFunc(patience, e.cq.Events().Wake)
	defer timer.Stop()
	ev, err := e.cq.Events().Wait()
	require.NoError(t, err)
	require.True(t, ev, "no event")
}

// noEvent gives an event that must not come time to come.
func (e *end) noEvent(t testing.TB) {
	t.Helper()
	time.Sleep(30 * time.Millisecond)
	ev, err := e.cq.Events().TryWait()
	require.NoError(t, err)
	require.False(t, ev, "an event that should not be")
}
