//go:build verbs && cgo && linux

package verbs

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/param"
)

// A host without a device says what is missing, whatever it is that is missing.
func TestVerbsNoDevice(t *testing.T) {
	devs, err := Devices()
	if err != nil || len(devs) == 0 {
		_, err = Open(Config{})
		require.ErrorIs(t, err, hwcq.ErrUnavailable)
		require.ErrorContains(t, err, "rdma link add")
		return
	}
	_, err = Open(Config{Device: "no-such-device"})
	require.ErrorIs(t, err, param.ErrInvalid)
	require.ErrorContains(t, err, devs[0].Name)
}

func TestVerbsQueries(t *testing.T) {
	d := needRXE(t)
	require.True(t, Available)
	require.Positive(t, d.NumCompVectors())
	a, err := d.QueryDevice()
	require.NoError(t, err)
	require.Positive(t, a.MaxCQE)
	require.Equal(t, 1, a.Ports)
	p, err := d.QueryPort()
	require.NoError(t, err)
	require.Equal(t, rxe.PortActive, p.State)
	require.EqualValues(t, 2, p.LinkLayer)
	g, err := d.DefaultGID()
	require.NoError(t, err)
	require.Equal(t, rxe.GIDTypeRoCEv2, g.Type)
	require.True(t, g.GID.IsIPv4())

	// Both drivers see the same device.
	soft, err := rxe.Open(rxe.Config{Device: d.Info().Name})
	require.NoError(t, err)
	defer soft.Close()
	sa, err := soft.QueryDevice()
	require.NoError(t, err)
	require.Equal(t, sa, a)
	sp, err := soft.QueryPort()
	require.NoError(t, err)
	require.Equal(t, sp, p)
	sg, err := soft.DefaultGID()
	require.NoError(t, err)
	require.Equal(t, sg, g)
}

// Bad input names the parameter, and the limit of the device where it is one.
func TestVerbsBadInput(t *testing.T) {
	d := needRXE(t)
	e := newEnd(t, d, endConfig{qp: QPConfig{Inline: 16}})
	attr, err := d.QueryDevice()
	require.NoError(t, err)
	_, err = Open(Config{Port: 2})
	requireBad(t, err, "Port = 2: must be at most 1")
	_, err = d.OpenCQ(CQConfig{Vector: d.NumCompVectors()})
	requireBad(t, err, "Vector = ")
	_, err = d.OpenCQ(CQConfig{Depth: attr.MaxCQE + 1})
	requireBad(t, err, "the device's max_cqe")
	_, err = e.pd.OpenQP(QPConfig{})
	requireBad(t, err, "SendCQ = nil")
	_, err = e.pd.OpenQP(QPConfig{SendCQ: e.cq, SendDepth: attr.MaxQPWR + 1, MaxSGE: attr.MaxSGE + 1})
	requireBad(t, err, "the device's max_qp_wr", "the device's max_sge")
	other := needRXE(t)
	cq, err := other.OpenCQ(CQConfig{})
	require.NoError(t, err)
	_, err = e.pd.OpenQP(QPConfig{SendCQ: e.cq, RecvCQ: cq})
	requireBad(t, err, "RecvCQ = a CQ of another device")
	for _, size := range []int{-1, 0, 1<<30 + 1} {
		_, err = OpenBuffer(size)
		requireBad(t, err, "size = ")
	}
	_, err = e.pd.Reg(nil, 0)
	requireBad(t, err, "b = nil")
	_, err = e.pd.RegBytes(nil, 0)
	requireBad(t, err, "b = no bytes")
	for _, a := range []rxe.Access{1 << 20, rxe.RemoteWrite, rxe.RemoteAtomic} {
		_, err = e.pd.Reg(e.buf, a)
		requireBad(t, err, "access = ")
	}

	requireBad(t, e.qp.PostSend(nil), "wr = nil")
	requireBad(t, e.qp.PostRecv(nil), "wr = nil")
	require.ErrorIs(t, e.qp.PostSend(&rxe.SendWR{Op: rxe.OpSend}), hwcq.ErrBusy, "not connected")
	requireBad(t, e.qp.PostRecv(&rxe.RecvWR{SGL: make([]rxe.SGE, 2)}), "SGL = 2 pieces: must be at most 1")
	requireBad(t, e.qp.Connect(rxe.Dest{}, rxe.ConnectConfig{}), "verbs: Connect: remote.GID")
	self, err := e.qp.Dest()
	require.NoError(t, err)
	requireBad(t, e.qp.Connect(self, rxe.ConnectConfig{SGID: rxe.GIDEntry{Index: 200}}), "verbs: Connect: SGID.Index = 200: must be one of ", self.GID.String())
	_, err = e.qp.DestFor(rxe.ConnectConfig{SGID: rxe.GIDEntry{Index: 200}})
	requireBad(t, err, "SGID.Index = 200")
	gids, err := e.dev.GIDs()
	require.NoError(t, err)
	for _, g := range gids { // that by index 0 alone is the default
		got, err := e.qp.DestFor(rxe.ConnectConfig{SGID: g})
		require.NoError(t, err)
		require.Equal(t, g.GID, got.GID)
	}
	requireBad(t, e.qp.Connect(self, rxe.ConnectConfig{MTU: 100, Retries: 8}), "verbs: Connect: MTU = 100", "verbs: Connect: Retries = 8")
	requireBad(t, e.qp.Connect(self, rxe.ConnectConfig{MTU: 4096, MaxRDAtomic: 255}), "MaxRDAtomic = 255: must be at most")
	require.NoError(t, e.qp.Connect(self, rxe.ConnectConfig{}))
	require.ErrorIs(t, e.qp.Connect(self, rxe.ConnectConfig{}), hwcq.ErrBusy)
	for want, wr := range map[string]rxe.SendWR{
		"SGL = 2 pieces":             {Op: rxe.OpSend, SGL: make([]rxe.SGE, 2)},
		"InlineData = 17 bytes":      {Op: rxe.OpSend, Flags: rxe.Inline, InlineData: make([]byte, 17)},
		"Op = bind memory window":    {Op: rxe.OpBindMW},
		"Op = send operation 77":     {Op: 77},
		"Flags = 1024":               {Op: rxe.OpSend, Flags: 1 << 10},
		"Flags = Inline":             {Op: rxe.OpRead, Flags: rxe.Inline},
		"SGL = 0 bytes: must be 8 b": {Op: rxe.OpFetchAdd},
		"RemoteAddr = 0x1":           {Op: rxe.OpCompareSwap, RemoteAddr: 1},
	} {
		requireBad(t, e.qp.PostSend(&wr), want)
		n, err := e.qp.PostSends([]rxe.SendWR{{WRID: 5, Op: rxe.OpSend, Flags: rxe.Inline}, wr})
		requireBad(t, err, want)
		require.Equal(t, 1, n, "those before the bad one are posted")
	}
	_, err = e.cq.PollOrArm(nil, false)
	requireBad(t, err, "dst = empty")
}

func requireBad(t *testing.T, err error, want ...string) {
	t.Helper()
	require.ErrorIs(t, err, param.ErrInvalid)
	for _, w := range want {
		require.ErrorContains(t, err, w)
	}
}

// What is used stays, what is closed says so, and a device closes the rest.
func TestVerbsOwnership(t *testing.T) {
	d, err := Open(Config{})
	if err != nil {
		needRXE(t) // skips or fails
	}
	a, b := newPair(t, d, endConfig{}, rxe.ConnectConfig{})
	require.ErrorIs(t, a.cq.Close(), hwcq.ErrBusy)
	require.ErrorIs(t, a.pd.Close(), hwcq.ErrBusy)
	require.ErrorIs(t, a.buf.Close(), hwcq.ErrBusy)
	b.recv(t, 1, 64)
	a.send(t, 2, 16, rxe.Signaled)
	b.expect(t, 1)
	vectors := d.NumCompVectors()
	require.NoError(t, d.Close())
	require.NoError(t, d.Close())

	require.Equal(t, vectors, d.NumCompVectors())
	require.ErrorIs(t, a.qp.PostSend(&rxe.SendWR{Op: rxe.OpSend}), hwcq.ErrClosed)
	require.ErrorIs(t, a.qp.PostRecv(&rxe.RecvWR{}), hwcq.ErrClosed)
	require.ErrorIs(t, a.qp.SetError(), hwcq.ErrClosed)
	_, err = a.qp.Query()
	require.ErrorIs(t, err, hwcq.ErrClosed)
	require.Zero(t, a.cq.Poll(make([]hwcq.WC, 4)), "a completion was there, but the CQ is closed")
	require.False(t, a.cq.Pending())
	_, err = a.cq.Arm(false)
	require.ErrorIs(t, err, hwcq.ErrClosed)
	_, err = a.cq.PollOrArm(make([]hwcq.WC, 4), false)
	require.ErrorIs(t, err, hwcq.ErrClosed)
	_, err = a.cq.Events().Wait()
	require.ErrorIs(t, err, hwcq.ErrClosed)
	_, err = d.OpenPD()
	require.ErrorIs(t, err, hwcq.ErrClosed)
	_, err = d.OpenCQ(CQConfig{})
	require.ErrorIs(t, err, hwcq.ErrClosed)
}

// A device that is closed while objects are opened on it closes each of them, or
// does not let it come to be.
func TestVerbsCloseBesideOpen(t *testing.T) {
	for range 5 {
		d, err := Open(Config{})
		if err != nil {
			needRXE(t) // skips or fails
		}
		var wg, begun sync.WaitGroup
		for range 2 {
			begun.Add(1)
			wg.Go(func() {
				begin := sync.OnceFunc(begun.Done)
				defer begin()
				for ; ; begin() {
					cq, e1 := d.OpenCQ(CQConfig{Depth: 16})
					pd, e2 := d.OpenPD()
					if err := errors.Join(e1, e2); err != nil {
						if !errors.Is(err, hwcq.ErrClosed) {
							t.Error(err)
						}
						return
					}
					mr, e1 := pd.RegBytes(make([]byte, 64), rxe.LocalWrite)
					qp, e2 := pd.OpenQP(QPConfig{SendCQ: cq, SendDepth: 4, RecvDepth: 4})
					for _, err := range []error{e1, e2} {
						if err != nil && !errors.Is(err, hwcq.ErrClosed) {
							t.Error(err)
						}
					}
					if e1 == nil {
						mr.Close()
					}
					if e2 == nil {
						qp.Close()
					}
					if err := errors.Join(cq.Close(), pd.Close()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		begun.Wait()
		require.NoError(t, d.Close())
		wg.Wait()
	}
}

// Close beside a poller in full swing: nothing faults.
func TestVerbsCloseBesidePoller(t *testing.T) {
	d := needRXE(t)
	for range 5 {
		a, b := newPair(t, d, endConfig{}, rxe.ConnectConfig{})
		for i := range 50 {
			b.recv(t, uint64(i), 64)
		}
		var wg sync.WaitGroup
		stop := make(chan struct{})
		loop := func(body func()) {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						body()
					}
				}
			})
		}
		var dst [4]hwcq.WC
		loop(func() {
			for _, wc := range dst[:b.cq.Poll(dst[:])] {
				if wc.QPNum != b.qp.Num() {
					t.Errorf("%+v", wc)
				}
			}
		})
		loop(func() {
			b.cq.Pending()
			_, _ = b.cq.Arm(false)
			_, _ = b.cq.Events().TryWait()
		})
		loop(func() {
			_ = b.qp.PostRecv(&rxe.RecvWR{SGL: []rxe.SGE{b.mr.SGE(0, 64)}})
			_ = a.qp.PostSend(&rxe.SendWR{Op: rxe.OpSend})
		})
		time.Sleep(5 * time.Millisecond)
		require.NoError(t, b.qp.Close())
		require.NoError(t, b.cq.Close())
		require.NoError(t, a.qp.Close())
		require.NoError(t, a.cq.Close())
		close(stop)
		wg.Wait()
	}
}

// Poll, Arm, PollOrArm and the posts leave no garbage.
func TestVerbsNoGarbage(t *testing.T) {
	a, b := newPair(t, needRXE(t), endConfig{qp: QPConfig{Inline: 16}}, rxe.ConnectConfig{})
	recvs := []rxe.RecvWR{{SGL: []rxe.SGE{b.mr.SGE(0, 64)}}, {}}
	sends := []rxe.SendWR{
		{Op: rxe.OpSend, Flags: rxe.Inline, InlineData: []byte("inline")},
		{Op: rxe.OpSend, Flags: rxe.Signaled, SGL: nil},
	}
	dst := make([]hwcq.WC, 2)
	var failed error
	round := func() {
		_, e1 := b.qp.PostRecvs(recvs)
		_, e2 := b.cq.Arm(false)
		_, e3 := a.qp.PostSends(sends)
		failed = errors.Join(failed, e1, e2, e3)
		for n := 0; n < 2 && failed == nil; {
			got, err := b.cq.PollOrArm(dst, false)
			n += got
			failed = errors.Join(failed, err)
			if got == 0 && !b.cq.Pending() && failed == nil { // armed: it will come
				_, failed = b.cq.Events().Wait()
			}
		}
		for a.cq.Poll(dst) == 0 {
		}
	}
	require.Zero(t, testing.AllocsPerRun(20, round))
	require.NoError(t, failed)
}
