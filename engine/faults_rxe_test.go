//go:build linux && (amd64 || arm64)

package engine_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// The faults that soft-RoCE can produce, through the engine. docs/FAULTS.md says
// which it cannot.

// A CQ that is too small, and nobody who takes from it: what found no room is
// lost, which is told; what was stored comes out; and the CQ goes on.
func TestFaultOverrunRXE(t *testing.T) {
	d := semRXE(t)
	for _, how := range semInline {
		t.Run(how.String(), func(t *testing.T) {
			const sent, lost = 20, 13 // it has 7 places
			b := newRXEBedOf(t, d, rxe.CQConfig{Depth: 4}, rxe.ConnectConfig{})
			b.lost = lost
			k := &semKit{bed: b, how: how}
			var err error
			k.eng, err = engine.New(engine.Config{Watchdog: 2 * time.Millisecond})
			require.NoError(t, err)
			defer func() { require.NoError(t, k.eng.Close()) }()
			evd := k.evd(t, engine.EVDConfig{Policy: engine.Disable})
			for id := range uint64(sent) {
				b.Complete(t, id)
			}
			semUntil(t, func() bool { return b.cq.Overruns() == lost })
			asyncs := 0
			semUntil(t, func() bool {
				buf := make([]engine.Event, 8)
				n, err := k.eng.Async().Dequeue(buf)
				if err != nil {
					require.ErrorIs(t, err, engine.ErrBusy)
				}
				for i := range n {
					if buf[i].Number == engine.CQOverrun && buf[i].Source() == evd.ID() {
						asyncs++
					}
				}
				return asyncs > 0
			})
			require.NoError(t, evd.ModifyUpcallAny(engine.SingleInstance, engine.Same))
			require.Equal(t, []uint64{0, 1, 2, 3, 4, 5, 6}, k.logged(t, sent-lost))
			b.Complete(t, 99)
			require.EqualValues(t, 99, k.logged(t, sent-lost+1)[sent-lost])
		})
	}
}

// Work requests that fail, each in its way: the completion is delivered with its
// status, the connection breaks once, and what is flushed behind it comes too.
func TestFaultStatusesRXE(t *testing.T) {
	d := semRXE(t)
	for _, c := range []struct {
		name    string
		connect rxe.ConnectConfig
		fail    func(t *testing.T, b *rxeBed)
		status  hwcq.Status
	}{
		{"nobody's memory", rxe.ConnectConfig{}, func(t *testing.T, b *rxeBed) { b.Fail(t, 1) }, hwcq.StatusRemAccessErr},
		{"no receive posted", rxe.ConnectConfig{RNRRetries: -1}, func(t *testing.T, b *rxeBed) {
			require.NoError(t, b.near.PostSend(&rxe.SendWR{WRID: 1, Op: rxe.OpSend, Flags: rxe.Signaled, SGL: []rxe.SGE{b.mr.SGE(0, 8)}}))
		}, hwcq.StatusRNRRetryExcErr},
		{"dead peer", rxe.ConnectConfig{Retries: 2, AckTimeout: 4 * time.Millisecond}, func(t *testing.T, b *rxeBed) {
			require.NoError(t, b.far.Close())
			b.Complete(t, 1)
		}, hwcq.StatusRetryExcErr},
	} {
		for _, how := range semEvery {
			t.Run(c.name+"/"+how.String(), func(t *testing.T) {
				b := newRXEBedOf(t, d, rxe.CQConfig{}, c.connect)
				k := newSemKit(t, b, how)
				conns, err := k.eng.NewEVD(engine.EVDConfig{Streams: engine.Connection})
				require.NoError(t, err)
				evd := k.evd(t, engine.EVDConfig{Policy: engine.SingleInstance, Streams: engine.DTO})
				ep, err := k.eng.NewEndpoint(engine.EndpointConfig{QPNum: b.QPNum(), Recv: evd, Request: evd, Connect: conns})
				require.NoError(t, err)
				require.True(t, ep.Established())
				c.fail(t, b)
				b.Complete(t, 2) // flushed
				require.Equal(t, []uint64{1, 2}, k.logged(t, 2))
				evs := k.log.all()
				require.Equal(t, c.status, evs[0].Status)
				require.Equal(t, hwcq.StatusWRFlushErr, evs[1].Status)
				told := k.dequeue(t, conns, 2)
				require.Equal(t, engine.Established, told[0].Number)
				require.Equal(t, engine.Broken, told[1].Number)
				n, err := conns.Dequeue(told)
				require.Zero(t, n, "broken once")
				require.NoError(t, err)
			})
		}
	}
}
