//go:build linux && (amd64 || arm64)

package rxe

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

func TestRXEData(t *testing.T) {
	d := needRXE(t)
	c := endConfig{qp: QPConfig{MaxSGE: 3, Inline: 128, Remote: RemoteWrite}, mem: 64 << 10}
	a, b := newPair(t, d, c, ConnectConfig{})
	src, dst := a.buf.Bytes(), b.buf.Bytes()
	for i := range src {
		src[i] = byte(i * 7)
	}

	// Larger than the path MTU, gathered and scattered in three pieces.
	require.NoError(t, b.qp.PostRecv(&RecvWR{WRID: 1, SGL: []SGE{b.mr.SGE(0, 100), b.mr.SGE(100, 5000), b.mr.SGE(5100, 9000)}}))
	require.NoError(t, a.qp.PostSend(&SendWR{WRID: 2, Op: OpSend, Flags: Signaled, SGL: []SGE{a.mr.SGE(10, 3000), a.mr.SGE(3010, 1), a.mr.SGE(3011, 6000)}}))
	wc := b.expect(t, 1)[0]
	require.Equal(t, hwcq.StatusSuccess, wc.Status)
	require.Equal(t, hwcq.OpRecv, wc.Opcode)
	require.EqualValues(t, 1, wc.WRID)
	require.EqualValues(t, 9001, wc.ByteLen)
	require.Equal(t, b.qp.Num(), wc.QPNum)
	require.Equal(t, src[10:9011], dst[:9001])
	wc = a.expect(t, 1)[0]
	require.Equal(t, hwcq.OpSend, wc.Opcode)
	require.EqualValues(t, 2, wc.WRID)

	// Inline: the memory may change as soon as the post returned.
	b.recv(t, 3, 64)
	msg := []byte("inline, and gone")
	want := string(msg)
	require.NoError(t, a.qp.PostSend(&SendWR{Op: OpSend, Flags: Inline, InlineData: msg}))
	clear(msg)
	require.EqualValues(t, len(want), b.expect(t, 1)[0].ByteLen)
	require.Equal(t, want, string(dst[:len(want)]))

	// Nothing at all.
	require.NoError(t, b.qp.PostRecv(&RecvWR{WRID: 4}))
	require.NoError(t, a.qp.PostSend(&SendWR{Op: OpSend}))
	wc = b.expect(t, 1)[0]
	require.EqualValues(t, 4, wc.WRID)
	require.Zero(t, wc.ByteLen)

	// RDMA write: no completion at the peer.
	require.NoError(t, a.qp.PostSend(&SendWR{
		WRID: 5, Op: OpWrite, Flags: Signaled, SGL: []SGE{a.mr.SGE(0, 2000)},
		RemoteAddr: b.mr.Addr() + 20000, RKey: b.mr.RKey(),
	}))
	wc = a.expect(t, 1)[0]
	require.Equal(t, hwcq.StatusSuccess, wc.Status)
	require.Equal(t, hwcq.OpRDMAWrite, wc.Opcode)
	require.Equal(t, src[:2000], dst[20000:22000])
	require.False(t, b.cq.Pending())

	// One doorbell for several.
	for i := range 8 {
		b.recv(t, uint64(i), 64)
	}
	n, err := a.qp.PostSends([]SendWR{{WRID: 6, Op: OpSend}, {WRID: 7, Op: OpSend, Flags: Signaled}})
	require.NoError(t, err)
	require.Equal(t, 2, n)
	b.expect(t, 2)
	require.EqualValues(t, 7, a.expect(t, 1)[0].WRID, "only the signaled one completes")

	at, err := a.qp.Query()
	require.NoError(t, err)
	require.Equal(t, StateRTS, at.State)
	require.Equal(t, b.qp.Num(), at.DestQPN)
	require.Equal(t, 1024, at.PathMTU)
}

func TestRXEStates(t *testing.T) {
	d := needRXE(t)
	e := newEnd(t, d, endConfig{})
	require.Equal(t, StateInit, e.qp.State())
	require.ErrorIs(t, e.qp.PostSend(&SendWR{Op: OpSend}), hwcq.ErrBusy, "not connected")
	require.Error(t, e.qp.Connect(Dest{QPN: 1}, ConnectConfig{}), "no GID")
	require.Error(t, e.qp.Connect(Dest{GID: GID{1}}, ConnectConfig{MTU: 1500}))
	require.Error(t, e.qp.PostSend(nil))
	require.Error(t, e.qp.PostRecv(nil))
	o := newEnd(t, d, endConfig{})
	require.NoError(t, ConnectPair(e.qp, o.qp, ConnectConfig{MTU: 4096}))
	require.ErrorIs(t, ConnectPair(e.qp, o.qp, ConnectConfig{}), hwcq.ErrBusy, "connected already")
}

// Everything posted on a QP in error completes, each once.
func TestRXEFlush(t *testing.T) {
	a, b := newPair(t, needRXE(t), endConfig{}, ConnectConfig{})
	_ = a
	for i := range 5 {
		b.recv(t, uint64(i), 64)
	}
	b.arm(t, false)
	require.NoError(t, b.qp.SetError())
	b.wait(t)
	for i, wc := range b.expect(t, 5) {
		require.Equal(t, hwcq.StatusWRFlushErr, wc.Status)
		require.EqualValues(t, i, wc.WRID)
		require.Equal(t, b.qp.Num(), wc.QPNum)
	}
	b.send(t, 9, 16, 0) // also unsignaled
	wc := b.expect(t, 1)[0]
	require.Equal(t, hwcq.StatusWRFlushErr, wc.Status)
	require.EqualValues(t, 9, wc.WRID)
	b.recv(t, 10, 64)
	require.NoError(t, b.qp.SetError())
	require.EqualValues(t, 10, b.expect(t, 1)[0].WRID)
	at, err := b.qp.Query()
	require.NoError(t, err)
	require.Equal(t, StateErr, at.State)
}

func TestRXEErrors(t *testing.T) {
	d := needRXE(t)
	t.Run("no receive posted", func(t *testing.T) {
		a, _ := newPair(t, d, endConfig{}, ConnectConfig{RNRRetries: -1})
		a.send(t, 1, 16, 0)
		require.Equal(t, hwcq.StatusRNRRetryExcErr, a.expect(t, 1)[0].Status)
	})
	t.Run("receive too short", func(t *testing.T) {
		a, b := newPair(t, d, endConfig{}, ConnectConfig{})
		b.recv(t, 1, 8)
		a.send(t, 1, 16, 0)
		require.Equal(t, hwcq.StatusRemOpErr, a.expect(t, 1)[0].Status)
	})
	t.Run("bad rkey", func(t *testing.T) {
		a, b := newPair(t, d, endConfig{qp: QPConfig{Remote: RemoteWrite}}, ConnectConfig{})
		require.NoError(t, a.qp.PostSend(&SendWR{
			Op: OpWrite, SGL: []SGE{a.mr.SGE(0, 8)}, RemoteAddr: b.mr.Addr(), RKey: b.mr.RKey() ^ 0xff,
		}))
		require.Equal(t, hwcq.StatusRemAccessErr, a.expect(t, 1)[0].Status)
	})
	t.Run("dead peer", func(t *testing.T) {
		a, b := newPair(t, d, endConfig{}, ConnectConfig{Retries: 2, AckTimeout: 4 * time.Millisecond})
		require.NoError(t, b.qp.Close())
		a.send(t, 1, 16, 0)
		require.Equal(t, hwcq.StatusRetryExcErr, a.expect(t, 1)[0].Status)
	})
}

// A CQ that is too small loses completions, counts them exactly, and goes on.
func TestRXEOverrun(t *testing.T) {
	needRXE(t)
	var events atomic.Int64
	var from atomic.Pointer[CQ]
	d, err := Open(Config{OnAsync: func(e AsyncEvent) {
		if e.Type == AsyncCQErr {
			from.Store(e.CQ)
			events.Add(1)
		}
	}})
	require.NoError(t, err)
	defer func() { require.NoError(t, d.Close()) }()
	small := newEnd(t, d, endConfig{cq: CQConfig{Depth: 4}})
	big := newEnd(t, d, endConfig{})
	require.NoError(t, ConnectPair(small.qp, big.qp, ConnectConfig{}))
	depth := small.cq.Capabilities().Depth
	require.Equal(t, 7, depth)

	const sends = 20
	for i := range sends {
		big.recv(t, uint64(i), 64)
	}
	for i := range sends {
		small.send(t, uint64(i), 16, Signaled)
	}
	big.expect(t, sends) // the data arrived all the same
	want := uint64(sends - depth)
	require.Eventually(t, func() bool { return small.cq.Overruns() >= want }, patience, time.Millisecond)
	time.Sleep(30 * time.Millisecond)
	require.Equal(t, want, small.cq.Overruns())
	require.EqualValues(t, want, events.Load())
	require.Same(t, small.cq, from.Load())
	require.Zero(t, big.cq.Overruns())
	for i, wc := range small.expect(t, depth) {
		require.EqualValues(t, i, wc.WRID, "the oldest are kept")
	}
	require.False(t, small.cq.Pending())

	// It is not dead.
	big.recv(t, 1, 64)
	small.arm(t, false)
	small.send(t, 99, 16, Signaled)
	small.wait(t)
	require.EqualValues(t, 99, small.expect(t, 1)[0].WRID)
}

// pong answers every message until n came. step gets completions.
func pingPong(t *testing.T, n int, how WaitMethod, step func(e *end, dst []hwcq.WC) (int, error)) {
	c := endConfig{cq: CQConfig{Wait: how}, qp: QPConfig{Inline: 64}}
	a, b := newPair(t, needRXE(t), c, ConnectConfig{})
	const depth = 32
	msg := make([]byte, 64)
	run := func(e *end, first bool) error {
		sg := []SGE{e.mr.SGE(0, 64)}
		recv := RecvWR{WRID: 1, SGL: sg}
		send := SendWR{WRID: 2, Op: OpSend, Flags: Signaled | Inline, InlineData: msg}
		for range depth {
			if err := e.qp.PostRecv(&recv); err != nil {
				return err
			}
		}
		sent, got := 0, 0
		if first {
			if err := e.qp.PostSend(&send); err != nil {
				return err
			}
			sent++
		}
		var dst [16]hwcq.WC
		for got < n {
			k, err := step(e, dst[:])
			if err != nil {
				return err
			}
			for _, wc := range dst[:k] {
				if wc.Status != hwcq.StatusSuccess {
					t.Errorf("%+v", wc)
				}
				if wc.WRID != 1 {
					continue
				}
				got++
				if err := e.qp.PostRecv(&recv); err != nil {
					return err
				}
				if sent < n {
					if err := e.qp.PostSend(&send); err != nil {
						return err
					}
					sent++
				}
			}
		}
		return nil
	}
	// The answering side must have its receives posted before the first send:
	// both post before either sends, or an RNR wait of 0.6 ms is all it costs.
	res := make(chan error, 1)
	go func() { res <- run(b, false) }()
	start := time.Now()
	require.NoError(t, run(a, true))
	require.NoError(t, <-res)
	t.Logf("%v per round trip", time.Since(start)/time.Duration(n))
	require.Zero(t, a.cq.Overruns()+b.cq.Overruns())
}

const pingPongs = 10_000

func TestRXEPingPongPolling(t *testing.T) {
	pingPong(t, pingPongs, WaitAuto, func(e *end, dst []hwcq.WC) (int, error) {
		n := e.cq.Poll(dst)
		if n == 0 {
			runtime.Gosched()
		}
		return n, nil
	})
}

func TestRXEPingPongEvents(t *testing.T) {
	for how, n := range map[WaitMethod]int{WaitRead: pingPongs, WaitPoll: pingPongs / 5, WaitRuntime: pingPongs / 5} {
		t.Run(how.String(), func(t *testing.T) {
			pingPong(t, n, how, func(e *end, dst []hwcq.WC) (int, error) {
				if n := e.cq.Poll(dst); n > 0 {
					return n, nil
				}
				missed, err := e.cq.Arm(false)
				if err == nil && !missed {
					_, err = e.cq.Events().Wait()
				}
				return e.cq.Poll(dst), err
			})
		})
	}
}

func TestRXEDoesNotAllocate(t *testing.T) {
	a, b := newPair(t, needRXE(t), endConfig{qp: QPConfig{Inline: 64}}, ConnectConfig{})
	sg := []SGE{b.mr.SGE(0, 64)}
	recv := RecvWR{WRID: 1, SGL: sg}
	ssg := []SGE{a.mr.SGE(0, 64)}
	sends := []SendWR{
		{WRID: 2, Op: OpSend, SGL: ssg},
		{WRID: 3, Op: OpSend, Flags: Inline, InlineData: make([]byte, 64)},
	}
	var dst [4]hwcq.WC
	fail := 0
	require.Zero(t, testing.AllocsPerRun(100, func() {
		for i := range sends {
			if b.qp.PostRecv(&recv) != nil {
				fail++
			}
			if _, err := b.cq.Arm(false); err != nil {
				fail++
			}
			if a.qp.PostSend(&sends[i]) != nil {
				fail++
			}
			if ev, err := b.cq.Events().Wait(); err != nil || !ev {
				fail++
			}
			if b.cq.Poll(dst[:]) != 1 {
				fail++
			}
		}
	}))
	require.Zero(t, fail)
}
