//go:build linux && (amd64 || arm64)

package rxe

import (
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// Each transition from each state: done, or refused with the state named.
func TestRXEStateMachine(t *testing.T) {
	d := needRXE(t)
	peer := newEnd(t, d, endConfig{})
	remote, err := peer.qp.Dest()
	require.NoError(t, err)
	type verb struct {
		name string
		do   func(*QP) error
		to   State
		from string
	}
	cc := ConnectConfig{}
	verbs := []verb{
		{"Init", (*QP).Init, StateInit, "RESET"},
		{"ReadyToReceive", func(q *QP) error { return q.ReadyToReceive(remote, cc) }, StateRTR, "INIT"},
		{"ReadyToSend", func(q *QP) error { return q.ReadyToSend(cc) }, StateRTS, "RTR"},
		{"Connect", func(q *QP) error { return q.Connect(remote, cc) }, StateRTS, "INIT"},
		{"Drain", (*QP).Drain, StateSQD, "RTS"},
		{"Resume", (*QP).Resume, StateRTS, "SQD"},
		{"SetError", (*QP).SetError, StateErr, "INIT RTR RTS SQD ERR"},
		{"Reset", (*QP).Reset, StateReset, "RESET INIT RTR RTS SQD ERR"},
	}
	connect := []func(*QP) error{(*QP).Init, verbs[3].do}
	reach := map[State][]func(*QP) error{
		StateReset: {},
		StateInit:  {(*QP).Init},
		StateRTR:   {(*QP).Init, verbs[1].do},
		StateRTS:   connect,
		StateSQD:   append(slices.Clip(connect), (*QP).Drain),
		StateErr:   {(*QP).Init, (*QP).SetError},
	}
	for _, tr := range []Transport{RC, UC, UD} {
		e := newEnd(t, d, endConfig{qp: QPConfig{Type: tr, SendDepth: 7, RecvDepth: 7}})
		for at, way := range reach {
			for _, v := range verbs {
				require.Eventually(t, func() bool { return e.qp.Reset() == nil }, patience, time.Millisecond)
				for _, f := range way {
					require.NoError(t, f(e.qp))
				}
				require.Equal(t, at, e.qp.State())
				if at == StateSQD {
					require.Eventually(t, func() bool { a, err := e.qp.Query(); return err == nil && !a.SQDraining }, patience, time.Millisecond)
				}
				err, what := v.do(e.qp), fmt.Sprintf("%s: %s from %s", tr, v.name, at)
				want := at
				if slices.Contains(strings.Fields(v.from), at.String()) {
					require.NoError(t, err, what)
					want = v.to
				} else {
					require.ErrorIs(t, err, hwcq.ErrBusy, what)
					require.ErrorContains(t, err, "the QP is in "+at.String(), what)
				}
				require.Equal(t, want, e.qp.State(), what)
				a, err := e.qp.Query()
				require.NoError(t, err)
				require.Equal(t, want, a.State, what)
			}
		}
	}
}

// Requests posted while the queue is drained wait; receiving goes on; what is
// in progress is finished first.
func TestRXEDrain(t *testing.T) {
	for _, tr := range []Transport{RC, UC} {
		t.Run(tr.String(), func(t *testing.T) {
			d, events := asyncRXE(t)
			a, b := newPair(t, d, endConfig{qp: QPConfig{Type: tr, SendDepth: 7}}, ConnectConfig{})
			drained := func() {
				e := nextAsync(t, events)
				require.Equal(t, AsyncSQDrained, e.Type)
				require.Same(t, a.qp, e.QP)
				at, err := a.qp.Query()
				require.NoError(t, err)
				require.Equal(t, StateSQD, at.State)
				require.False(t, at.SQDraining)
			}
			// At every slot of the ring, used or not.
			for i := range 17 {
				require.NoError(t, a.qp.Drain())
				drained()
				b.recv(t, 1, 64)
				a.send(t, uint64(i), 16, Signaled)
				if i%5 == 0 {
					time.Sleep(20 * time.Millisecond)
				}
				require.False(t, b.cq.Pending(), "sent while draining")
				require.NoError(t, a.qp.Resume())
				require.EqualValues(t, i, a.expect(t, 1)[0].WRID)
				b.expect(t, 1)
			}
			a.recv(t, 2, 64)
			require.NoError(t, a.qp.Drain())
			drained()
			b.send(t, 3, 16, Signaled)
			b.expect(t, 1)
			require.EqualValues(t, 2, a.expect(t, 1)[0].WRID)
			require.NoError(t, a.qp.Resume())
			require.Empty(t, events)
		})
	}
	t.Run("in progress", func(t *testing.T) {
		d, events := asyncRXE(t)
		a, b := newPair(t, d, endConfig{}, ConnectConfig{})
		a.send(t, 1, 16, Signaled) // waits for a receive
		untilSent(t, a)
		require.NoError(t, a.qp.Drain())
		if err := a.qp.Resume(); err != nil { // unless the time to retry came
			require.ErrorIs(t, err, hwcq.ErrBusy)
			require.ErrorContains(t, err, "still draining")
		} else {
			require.Equal(t, AsyncSQDrained, nextAsync(t, events).Type)
			require.NoError(t, a.qp.Drain())
		}
		// What is to be retried counts as drained, and waits too.
		require.Equal(t, AsyncSQDrained, nextAsync(t, events).Type)
		b.recv(t, 2, 64)
		time.Sleep(20 * time.Millisecond)
		require.False(t, b.cq.Pending())
		require.Eventually(t, func() bool { return a.qp.Resume() == nil }, patience, time.Millisecond)
		require.EqualValues(t, 1, a.expect(t, 1)[0].WRID)
	})
}

// untilSent waits until the first request has gone out.
func untilSent(t *testing.T, e *end) {
	t.Helper()
	require.Eventually(t, func() bool {
		at, err := e.qp.Query()
		return err == nil && at.SQPSN != e.qp.psn&0xffffff
	}, patience, time.Millisecond)
}

// Reset forgets what is posted, and the QP can be used anew, and again.
func TestRXEReset(t *testing.T) {
	d := needRXE(t)
	for _, tr := range []Transport{RC, UC} {
		a, b := newPair(t, d, endConfig{qp: QPConfig{Type: tr, SendDepth: 7, RecvDepth: 7}}, ConnectConfig{})
		for i := range 12 {
			b.recv(t, 1, 64)
			a.send(t, 2, 16, Signaled)
			require.Equal(t, hwcq.StatusSuccess, b.expect(t, 1)[0].Status, "%s round %d", tr, i)
			require.Equal(t, hwcq.StatusSuccess, a.expect(t, 1)[0].Status, "%s round %d", tr, i)

			before, err := a.qp.Dest()
			require.NoError(t, err)
			for range i % 4 {
				a.recv(t, 99, 64)
				b.recv(t, 99, 64)
			}
			require.NoError(t, b.qp.Reset())
			require.NoError(t, a.qp.Drain())
			for range i % 3 {
				a.send(t, 99, 16, Signaled) // does not leave: the queue drains
			}
			require.Eventually(t, func() bool { return a.qp.Reset() == nil }, patience, time.Millisecond)
			require.ErrorIs(t, a.qp.PostSend(&SendWR{Op: OpSend}), hwcq.ErrBusy)
			require.ErrorIs(t, a.qp.PostRecv(&RecvWR{}), hwcq.ErrBusy)
			require.NoError(t, a.qp.Init())
			require.NoError(t, b.qp.Init())
			after, err := a.qp.Dest()
			require.NoError(t, err)
			require.NotEqual(t, before.PSN, after.PSN)
			require.NoError(t, ConnectPair(a.qp, b.qp, ConnectConfig{}))
			require.False(t, a.cq.Pending() || b.cq.Pending(), "what was posted does not complete")
		}
		require.NoError(t, a.qp.SetError())
		require.NoError(t, a.qp.Reset(), "also out of ERR")
		require.NoError(t, a.qp.Init())
	}
}

// Where the device has moved the QP on, a transition says so.
func TestRXEStateMovedByDevice(t *testing.T) {
	a, _ := newPair(t, needRXE(t), endConfig{}, ConnectConfig{RNRRetries: -1})
	a.send(t, 1, 16, 0)
	require.Equal(t, hwcq.StatusRNRRetryExcErr, a.expect(t, 1)[0].Status)
	require.Equal(t, StateRTS, a.qp.State())
	err := a.qp.Drain()
	require.ErrorIs(t, err, hwcq.ErrBusy)
	require.ErrorContains(t, err, "from RTS to ERR")
	require.Equal(t, StateErr, a.qp.State())
}

func TestRXEQuery(t *testing.T) {
	d := needRXE(t)
	g, err := d.DefaultGID()
	require.NoError(t, err)
	c := endConfig{qp: QPConfig{SendDepth: 20, RecvDepth: 40, MaxSGE: 3, Inline: 64, Remote: allRemote, SignalAll: true}}
	cc := ConnectConfig{
		MTU: 2048, AckTimeout: ackUnit << 10, Retries: 5, RNRRetries: 3, MinRNRTimer: 7,
		MaxRDAtomic: 16, MaxDestRDAtomic: 32, TrafficClass: 0x28, FlowLabel: 0xabcde,
	}
	a, b := newPair(t, d, c, cc)
	at, err := a.qp.Query()
	require.NoError(t, err)
	require.Equal(t, g.GID, at.RemoteGID)
	require.Equal(t, g.Index, at.SGIDIndex)
	want := QPAttr{
		State: StateRTS, DestQPN: b.qp.Num(), RQPSN: b.qp.psn, SQPSN: a.qp.psn, Access: allRemote, PathMTU: 2048, SignalAll: at.SignalAll,
		RemoteGID: g.GID, SGIDIndex: g.Index, FlowLabel: 0xabcde, HopLimit: at.HopLimit, TrafficClass: 0x28,
		MaxRDAtomic: 16, MaxDestRDAtomic: 32, MinRNRTimer: 7, AckTimeout: ackUnit << 10, Retries: 5, RNRRetries: 3,
		SendDepth: a.qp.SendDepth(), RecvDepth: a.qp.RecvDepth(), SendSGE: at.SendSGE, RecvSGE: 3, Inline: 64,
	}
	require.Equal(t, want, at)
	require.GreaterOrEqual(t, at.SendSGE, 3)

	lim, err := d.QueryDevice()
	require.NoError(t, err)
	require.Positive(t, lim.MaxSRQ)
	require.Positive(t, lim.MaxMW)
	require.Positive(t, lim.MaxAH)
	require.Equal(t, 128, lim.MaxQPRDAtomic)
	require.Equal(t, 128, lim.MaxQPInitRDAtomic)
}

// A path is chosen by index, address or interface; what there is not is
// refused, and what the port cannot carry, with the limit.
func TestRXEPath(t *testing.T) {
	d := needRXE(t)
	def, err := d.DefaultGID()
	require.NoError(t, err)
	for _, f := range []func() (GIDEntry, error){
		func() (GIDEntry, error) { return d.GIDByIndex(def.Index) },
		func() (GIDEntry, error) { return d.GIDByAddr(def.GID.Addr()) },
		func() (GIDEntry, error) { return d.GIDByInterface(d.Info().NetDev) },
	} {
		g, err := f()
		require.NoError(t, err)
		require.Equal(t, def, g)
	}
	_, err = d.GIDByIndex(200)
	require.ErrorIs(t, err, param.ErrInvalid)
	require.ErrorContains(t, err, def.GID.String())
	_, err = d.GIDByAddr(netip.MustParseAddr("192.0.2.1"))
	require.ErrorIs(t, err, param.ErrInvalid)
	_, err = d.GIDByInterface("lo")
	require.ErrorIs(t, err, param.ErrInvalid)
	_, err = d.GIDByInterface("nosuch0")
	require.Error(t, err)

	// The other GIDs work too: IPv6 link-local, say.
	gids, err := d.GIDs()
	require.NoError(t, err)
	for _, g := range gids {
		if g.Type != GIDTypeRoCEv2 {
			continue
		}
		a, b := newPair(t, d, endConfig{}, ConnectConfig{SGID: g})
		b.recv(t, 1, 64)
		a.send(t, 2, 16, Signaled)
		require.Equal(t, hwcq.StatusSuccess, a.expect(t, 1)[0].Status)
		b.expect(t, 1)
	}

	e := newEnd(t, d, endConfig{})
	remote := Dest{QPN: 17, GID: def.GID}
	for name, c := range map[string]ConnectConfig{
		"MaxRDAtomic": {MaxRDAtomic: 129}, "MaxDestRDAtomic": {MaxDestRDAtomic: 200},
	} {
		err = e.qp.Connect(remote, c)
		require.ErrorIs(t, err, param.ErrInvalid)
		require.ErrorContains(t, err, name)
		require.ErrorContains(t, err, "at most 128")
	}
	err = e.qp.Connect(remote, ConnectConfig{SGID: GIDEntry{GID: GID{1}, Index: 99}})
	require.Error(t, err, "there is no such index")

	// A smaller interface makes a smaller port.
	nic, err := net.InterfaceByName(d.Info().NetDev)
	require.NoError(t, err)
	require.NoError(t, setMTU(nic.Name, 1500))
	defer func() { require.NoError(t, setMTU(nic.Name, nic.MTU)) }()
	active := func() int {
		p, err := d.QueryPort()
		require.NoError(t, err)
		return p.ActiveMTU
	}
	require.Eventually(t, func() bool { return active() == 1024 }, patience, time.Millisecond)
	err = e.qp.Connect(remote, ConnectConfig{MTU: 2048})
	require.ErrorIs(t, err, param.ErrInvalid)
	require.ErrorContains(t, err, "at most 1024, the active MTU of "+d.Info().Name)
	require.Equal(t, StateInit, e.qp.State())
	require.NoError(t, e.qp.Connect(remote, ConnectConfig{}))
	require.NoError(t, setMTU(nic.Name, nic.MTU))
	require.Eventually(t, func() bool { return active() == 4096 }, patience, time.Millisecond)
}

// setMTU changes an interface's MTU.
func setMTU(name string, mtu int) error {
	out, err := exec.Command("ip", "link", "set", name, "mtu", strconv.Itoa(mtu)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}
