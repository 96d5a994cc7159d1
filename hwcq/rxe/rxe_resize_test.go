//go:build linux && (amd64 || arm64)

package rxe

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// What is in the CQ stays in it, in order, and an arm stays armed.
func TestRXECQResize(t *testing.T) {
	d := needRXE(t)
	c := endConfig{cq: CQConfig{Depth: 7, MaxDepth: 5000}, qp: QPConfig{SendDepth: 600, RecvDepth: 600, Inline: 64}}
	a, b := newPair(t, d, c, ConnectConfig{})
	depth := func() int { return b.cq.Capabilities().Depth }
	require.Equal(t, 7, depth())
	sent, got := 0, 0
	send := func(n int) {
		for range n {
			b.recv(t, uint64(sent), 64)
			require.NoError(t, a.qp.PostSend(&SendWR{WRID: uint64(sent), Op: OpSend, Flags: Inline | Signaled, InlineData: make([]byte, 8)}))
			require.EqualValues(t, sent, a.expect(t, 1)[0].WRID)
			sent++
		}
		require.Eventually(t, func() bool { return b.cq.inRing() == sent-got }, patience, time.Millisecond)
	}
	take := func(n int) {
		for _, wc := range b.expect(t, n) {
			require.Equal(t, hwcq.StatusSuccess, wc.Status)
			require.EqualValues(t, got, wc.WRID)
			got++
		}
	}
	send(5)
	take(3)
	send(5)
	require.NoError(t, b.cq.Resize(100))
	require.Equal(t, 127, depth())
	require.True(t, b.cq.Pending())
	send(93) // 100 are there
	err := b.cq.Resize(63)
	require.ErrorIs(t, err, param.ErrInvalid)
	require.ErrorContains(t, err, "at least 100")
	require.Equal(t, 127, depth(), "nothing changes")
	take(50)
	require.NoError(t, b.cq.Resize(63))
	require.Equal(t, 63, depth())
	take(20)
	require.NoError(t, b.cq.Resize(5000))
	require.Equal(t, 8191, depth())
	send(400)
	take(430)
	require.False(t, b.cq.Pending())

	require.False(t, b.arm(t, false))
	require.NoError(t, b.cq.Resize(1))
	b.noEvent(t)
	require.False(t, b.cq.Pending())
	send(1)
	b.wait(t)
	take(1)
	require.Zero(t, a.cq.Overruns()+b.cq.Overruns())

	for _, n := range []int{0, -1, 5001} {
		require.ErrorIs(t, b.cq.Resize(n), param.ErrInvalid)
	}
	maps := inventory(t)
	for i := range 50 {
		require.NoError(t, b.cq.Resize(1+i*37%5000))
	}
	require.Equal(t, maps, inventory(t))

	plain := newEnd(t, d, endConfig{cq: CQConfig{Depth: 64}})
	require.NoError(t, plain.cq.Resize(10), "smaller always goes")
	require.NoError(t, plain.cq.Resize(64))
	require.ErrorIs(t, plain.cq.Resize(200), param.ErrInvalid)
	plain.close(t)
	require.ErrorIs(t, plain.cq.Resize(10), hwcq.ErrClosed)
}

// Beside traffic, arms and looks from elsewhere nothing is lost or repeated,
// and nobody sleeps over a completion.
func TestRXECQResizeBesideTraffic(t *testing.T) {
	d := needRXE(t)
	const total, window = 2000, 32
	c := endConfig{cq: CQConfig{Depth: 127, MaxDepth: 2000}, qp: QPConfig{SendDepth: window, RecvDepth: window, Inline: 64}}
	a, b := newPair(t, d, c, ConnectConfig{})
	for i := range window {
		b.recv(t, uint64(i), 64)
	}
	var stop atomic.Bool
	looked := make(chan error, 1)
	go func() {
		for !stop.Load() {
			_ = b.cq.Pending()
			_ = b.cq.Capabilities()
			if _, err := b.cq.Arm(false); err != nil {
				looked <- err
				return
			}
			time.Sleep(100 * time.Microsecond)
		}
		looked <- nil
	}()
	received := make(chan struct{}, total)
	go func() {
		for i := range total {
			if i >= window {
				<-received
			}
			for a.qp.PostSend(&SendWR{WRID: uint64(i), Op: OpSend, Flags: Inline, InlineData: make([]byte, 8)}) != nil {
				runtime.Gosched()
			}
		}
	}()
	depths := []int{2000, 64, 500, 127}
	var dst [7]hwcq.WC
	resizes := 0
	for got := 0; got < total; {
		n := b.cq.Poll(dst[:])
		for _, wc := range dst[:n] {
			require.Equal(t, hwcq.StatusSuccess, wc.Status)
			require.EqualValues(t, got%window, wc.WRID)
			b.recv(t, wc.WRID, 64)
			got++
			received <- struct{}{}
		}
		if got%20 < n {
			require.NoError(t, b.cq.Resize(depths[resizes%len(depths)]))
			resizes++
		}
		if n > 0 {
			continue
		}
		if !b.arm(t, false) {
			b.wait(t)
		}
	}
	stop.Store(true)
	require.NoError(t, <-looked)
	require.Zero(t, b.cq.Overruns())
	t.Logf("%d resizes", resizes)
}

// Close may come at any time.
func TestRXECQResizeBesideClose(t *testing.T) {
	d := needRXE(t)
	for range 10 {
		cq, err := d.OpenCQ(CQConfig{Depth: 10, MaxDepth: 1000, Wait: WaitPoll})
		require.NoError(t, err)
		started, done := make(chan struct{}), make(chan error, 1)
		go func() {
			var dst [4]hwcq.WC
			for i := 0; ; i++ {
				if err := cq.Resize(1 + i*97%1000); err != nil {
					done <- err
					return
				}
				cq.Poll(dst[:])
				if i == 3 {
					close(started)
				}
			}
		}()
		<-started
		require.NoError(t, cq.Close())
		if err := <-done; !errors.Is(err, hwcq.ErrClosed) {
			t.Fatal(err)
		}
	}
}
