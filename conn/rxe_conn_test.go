//go:build linux && (amd64 || arm64)

package conn_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/rxe"
)

// TestRXEConnect: request, acceptance, messages both ways, and an end in order
// that both sides hear of after all that was delivered.
func TestRXEConnect(t *testing.T) {
	managers(t, func(t *testing.T, d *rxe.Device, m conn.Manager, addr string) {
		a, b := newSide(t, d), newSide(t, d)
		l := b.listen(m, addr)
		ca := a.dial(m, l.Addr(), a.config(7, 8))
		cb := b.accept(l, b.config(9, 8))
		ev := a.wait(a.cm, engine.Established)
		require.EqualValues(t, 7, ev.WRID)
		require.Equal(t, ca.QP().Num(), ev.QPNum)
		ev = b.wait(b.cm, engine.Established)
		require.EqualValues(t, 9, ev.WRID)
		require.True(t, ca.Endpoint().Connected() && cb.Endpoint().Connected())
		require.NoError(t, ca.Wait(t.Context()))
		for range 5 {
			a.send(ca)
			b.send(cb)
		}
		a.done(2, 5)
		require.NoError(t, ca.Disconnect())
		require.ErrorIs(t, ca.Disconnect(), conn.ErrNotConnected)
		a.wait(a.cm, engine.Disconnected)
		b.wait(b.cm, engine.Disconnected)
		var got int // a's five have been acknowledged, so they are on b's CQ
		for _, ev := range b.drain(8 + 5) {
			if ev.WRID == 1 && ev.Status == 0 {
				got++
			}
		}
		require.Equal(t, 5, got)
		require.NoError(t, ca.Close())
		require.NoError(t, cb.Close())
		a.quiet(a.cm)
		b.quiet(b.cm)
	})
}

// drain waits for n completions of whatever status.
func (s *side) drain(n int) (evs []engine.Event) {
	s.t.Helper()
	for range n {
		evs = append(evs, s.next(s.dto))
	}
	return evs
}
