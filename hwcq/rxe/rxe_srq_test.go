//go:build linux && (amd64 || arm64)

package rxe

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// asyncRXE opens a device whose asynchronous events go to the channel, but for
// those of the port: the host may change an address at any time.
func asyncRXE(t testing.TB) (*Device, chan AsyncEvent) {
	t.Helper()
	needRXE(t)
	events := make(chan AsyncEvent, 1000)
	d, err := Open(Config{OnAsync: func(e AsyncEvent) {
		if e.CQ != nil || e.QP != nil || e.SRQ != nil {
			events <- e
		}
	}})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	return d, events
}

func nextAsync(t testing.TB, events chan AsyncEvent) AsyncEvent {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(patience):
		t.Fatal("no asynchronous event")
		return AsyncEvent{}
	}
}

// kernel61 tells the older of the two kernels apart.
func kernel61(t testing.TB) bool {
	t.Helper()
	var u unix.Utsname
	require.NoError(t, unix.Uname(&u))
	return strings.HasPrefix(unix.ByteSliceToString(u.Release[:]), "6.1.")
}

// srqEnd is two QPs on one SRQ, connected to two senders.
type srqEnd struct {
	*end
	srq     *SRQ
	qps     [2]*QP
	senders [2]*end
}

func newSRQEnd(t *testing.T, d *Device, c SRQConfig) *srqEnd {
	t.Helper()
	s := &srqEnd{end: newEnd(t, d, endConfig{mem: 64 << 10})}
	var err error
	s.srq, err = s.pd.OpenSRQ(c)
	require.NoError(t, err)
	for i := range s.qps {
		s.qps[i], err = s.pd.OpenQP(QPConfig{SendCQ: s.cq, SRQ: s.srq})
		require.NoError(t, err)
		s.senders[i] = newEnd(t, d, endConfig{})
		require.NoError(t, ConnectPair(s.qps[i], s.senders[i].qp, ConnectConfig{}))
	}
	t.Cleanup(func() {
		for _, q := range s.qps {
			require.NoError(t, q.Close())
		}
		require.NoError(t, s.srq.Close())
	})
	return s
}

func (s *srqEnd) post(t *testing.T, from, n int) {
	t.Helper()
	var wrs []RecvWR
	for i := range n {
		wrs = append(wrs, RecvWR{WRID: uint64(from + i), SGL: []SGE{s.mr.SGE(64*(from+i), 64)}})
	}
	got, err := s.srq.PostRecvs(wrs)
	require.NoError(t, err)
	require.Equal(t, n, got)
}

// Receives are taken in order, whichever QP a message comes to.
func TestRXESRQ(t *testing.T) {
	d, events := asyncRXE(t)
	s := newSRQEnd(t, d, SRQConfig{Depth: 31, Limit: 4})
	require.Equal(t, 31, s.srq.Depth())
	at, err := s.srq.Query()
	require.NoError(t, err)
	require.Equal(t, SRQAttr{Depth: 31, MaxSGE: 1, Limit: 4}, at)
	require.ErrorIs(t, s.qps[0].PostRecv(&RecvWR{}), param.ErrInvalid)
	require.Zero(t, s.qps[0].RecvDepth())
	require.ErrorIs(t, s.srq.Close(), hwcq.ErrBusy)

	take := func(from, n int) {
		for i := from; i < from+n; i++ {
			a := s.senders[i%2]
			a.buf.Bytes()[2048] = byte(i)
			a.send(t, 1, 16, Signaled)
			a.expect(t, 1)
			wc := s.expect(t, 1)[0]
			require.Equal(t, hwcq.StatusSuccess, wc.Status)
			require.EqualValues(t, i, wc.WRID)
			require.Equal(t, s.qps[i%2].Num(), wc.QPNum)
			require.Equal(t, byte(i), s.buf.Bytes()[64*i])
		}
	}
	s.post(t, 0, 31)
	require.ErrorIs(t, s.srq.PostRecv(&RecvWR{}), hwcq.ErrFull)
	take(0, 27)
	require.Empty(t, events, "4 are posted, the limit is not reached")
	take(27, 1)
	e := nextAsync(t, events)
	require.Equal(t, AsyncSRQLimit, e.Type)
	require.Same(t, s.srq, e.SRQ)
	at, err = s.srq.Query()
	require.NoError(t, err)
	require.Zero(t, at.Limit, "reached once, then disarmed")

	// Smaller and larger, with receives posted, that stay.
	s.post(t, 31, 2)
	require.ErrorIs(t, s.srq.Resize(4), param.ErrInvalid, "5 are posted")
	require.NoError(t, s.srq.Resize(5))
	require.Equal(t, 7, s.srq.Depth())
	s.post(t, 33, 2)
	require.ErrorIs(t, s.srq.PostRecv(&RecvWR{}), hwcq.ErrFull)
	require.NoError(t, s.srq.SetLimit(3))
	require.ErrorIs(t, s.srq.Resize(2), param.ErrInvalid)
	require.NoError(t, s.srq.Resize(1000))
	require.Equal(t, 1023, s.srq.Depth())
	s.post(t, 35, 5)
	take(28, 9)
	require.Empty(t, events, "3 are posted")
	take(37, 1)
	require.Equal(t, AsyncSRQLimit, nextAsync(t, events).Type)
	take(38, 2)

	// With no receive left the sender waits; the queue is where they come from.
	s.senders[0].send(t, 1, 16, Signaled)
	s.post(t, 40, 1)
	require.EqualValues(t, 40, s.expect(t, 1)[0].WRID)
}

// A QP in error leaves the receives to the others, and says that it takes no
// more.
func TestRXESRQLastWQE(t *testing.T) {
	d, events := asyncRXE(t)
	s := newSRQEnd(t, d, SRQConfig{})
	s.post(t, 0, 2)
	require.NoError(t, s.qps[0].SetError())
	if !kernel61(t) { // which raises none
		e := nextAsync(t, events)
		require.Equal(t, AsyncLastWQE, e.Type)
		require.Same(t, s.qps[0], e.QP)
	}
	s.senders[1].send(t, 1, 16, 0)
	require.EqualValues(t, 0, s.expect(t, 1)[0].WRID)
}

func TestRXESRQRefuses(t *testing.T) {
	d := needRXE(t)
	e := newEnd(t, d, endConfig{})
	at, err := d.QueryDevice()
	require.NoError(t, err)
	for name, c := range map[string]SRQConfig{
		"Depth":  {Depth: at.MaxSRQWR + 1},
		"MaxSGE": {MaxSGE: at.MaxSRQSGE + 1},
	} {
		_, err := e.pd.OpenSRQ(c)
		require.ErrorIs(t, err, param.ErrInvalid)
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "the limit of "+d.Info().Name)
	}
	s, err := e.pd.OpenSRQ(SRQConfig{Depth: 3})
	require.NoError(t, err)
	require.ErrorIs(t, s.SetLimit(4), param.ErrInvalid)
	require.ErrorIs(t, s.SetLimit(-1), param.ErrInvalid)
	require.ErrorIs(t, s.Resize(0), param.ErrInvalid)
	require.ErrorContains(t, s.Resize(at.MaxSRQWR+1), "the limit of")
	require.ErrorIs(t, s.PostRecv(nil), param.ErrInvalid)
	require.ErrorIs(t, s.PostRecv(&RecvWR{SGL: make([]SGE, 2)}), param.ErrInvalid)
	_, err = e.pd.OpenQP(QPConfig{SendCQ: e.cq, SRQ: s, RecvDepth: 1})
	require.ErrorIs(t, err, param.ErrInvalid)
	require.ErrorIs(t, e.pd.Close(), hwcq.ErrBusy)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.PostRecv(&RecvWR{}), hwcq.ErrClosed)
	require.ErrorIs(t, s.SetLimit(0), hwcq.ErrClosed)
	require.ErrorIs(t, s.Resize(9), hwcq.ErrClosed)
	_, err = s.Query()
	require.ErrorIs(t, err, hwcq.ErrClosed)
	_, err = e.pd.OpenQP(QPConfig{SendCQ: e.cq, SRQ: s})
	require.ErrorIs(t, err, hwcq.ErrClosed)
}

// Device.Close closes these too, users before what they use.
func TestRXEDeviceCloseClosesVerbs(t *testing.T) {
	needRXE(t)
	maps := inventory(t)
	d, err := Open(Config{})
	require.NoError(t, err)
	e := newEnd(t, d, endConfig{cq: CQConfig{Depth: 7, MaxDepth: 100}})
	self, err := e.qp.Dest()
	require.NoError(t, err)
	require.NoError(t, e.qp.Connect(self, ConnectConfig{}))
	mw, err := e.pd.OpenMW()
	require.NoError(t, err)
	e.ok(t, SendWR{Op: OpBindMW, Bind: &Bind{MW: mw, MR: e.mr, Addr: e.mr.Addr(), Length: 64}}, hwcq.OpBindMW)
	srq, err := e.pd.OpenSRQ(SRQConfig{})
	require.NoError(t, err)
	_, err = e.pd.OpenQP(QPConfig{SendCQ: e.cq, SRQ: srq})
	require.NoError(t, err)
	ah, err := e.pd.OpenAH(AHConfig{Remote: self.GID})
	require.NoError(t, err)
	require.NoError(t, e.cq.Resize(100))
	require.NoError(t, d.Close())
	require.Equal(t, maps, inventory(t))
	for _, err := range []error{mw.Close(), srq.Close(), ah.Close()} {
		require.NoError(t, err)
	}
	require.ErrorIs(t, srq.PostRecv(&RecvWR{}), hwcq.ErrClosed)
	require.ErrorIs(t, e.cq.Resize(7), hwcq.ErrClosed)
	_, err = e.pd.OpenMW()
	require.ErrorIs(t, err, hwcq.ErrClosed)
}

// Resizing beside posts and traffic loses nothing and repeats nothing.
func TestRXESRQResizeBesideTraffic(t *testing.T) {
	d := needRXE(t)
	s := newSRQEnd(t, d, SRQConfig{Depth: 63})
	const total, batch = 1500, 20
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		depths := []int{63, 127, 40, 1000}
		for i := 0; ; i++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := s.srq.Resize(depths[i%len(depths)]); err != nil {
				done <- err
				return
			}
			time.Sleep(200 * time.Microsecond)
		}
	}()
	for from := 0; from < total; from += batch {
		var wrs []RecvWR
		for i := range batch {
			wrs = append(wrs, RecvWR{WRID: uint64(from + i), SGL: []SGE{s.mr.SGE(64*i, 64)}})
		}
		n, err := s.srq.PostRecvs(wrs)
		require.NoError(t, err)
		require.Equal(t, batch, n)
		for range batch / 2 {
			for _, a := range s.senders {
				a.send(t, 1, 16, 0)
			}
		}
		seen := map[uint64]bool{}
		for _, wc := range s.expect(t, batch) {
			require.Equal(t, hwcq.StatusSuccess, wc.Status)
			require.False(t, seen[wc.WRID])
			seen[wc.WRID] = true
			require.LessOrEqual(t, uint64(from), wc.WRID)
			require.Less(t, wc.WRID, uint64(from+batch))
		}
	}
	close(stop)
	require.NoError(t, <-done)
}
