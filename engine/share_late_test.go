package engine

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq/mock"
)

// lateEVD is an EVD with an endpoint that is connected, and has joined a shared CQ
// with its number, 7.
func lateEVD(t *testing.T, s *SharedCQ, cfg EVDConfig) (*EVD, *Endpoint) {
	t.Helper()
	cfg.Streams = DTO | Connection
	d, err := s.e.NewEVD(cfg)
	require.NoError(t, err)
	testJoin(t, d, s, 7, 4)
	ep, err := s.e.NewEndpoint(EndpointConfig{QPNum: 7, Recv: d, Connect: d})
	require.NoError(t, err)
	require.True(t, ep.Established())
	return d, ep
}

// Disconnected has to wait for a completion that the shared CQ's goroutine, which is
// busy with another's upcall, has not routed yet: nobody is told that there is
// something to be had, neither a waiter (whose context is heard) nor a CNO.
func TestSharedLate(t *testing.T) {
	for _, onCNO := range []bool{false, true} {
		t.Run(map[bool]string{false: "wait", true: "cno"}[onCNO], func(t *testing.T) {
			cq := newTestCQ(t, mock.Config{Depth: 16})
			e := newTestEngine(t, Config{})
			s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
			gate, in := make(chan struct{}), make(chan struct{}, 1)
			open := sync.OnceFunc(func() { close(gate) })
			defer open()
			other, err := e.NewEVD(EVDConfig{Streams: DTO, Dispatch: DispatchInline, Policy: SingleInstance, Upcall: func(*Upcall) {
				in <- struct{}{}
				<-gate
			}})
			require.NoError(t, err)
			testJoin(t, other, s, 1, 1)
			d, ep := lateEVD(t, s, EVDConfig{})
			takes(t, d) // Established
			completeQP(t, cq, 1, 1)
			<-in
			completeQP(t, cq, 7, 1)
			require.True(t, ep.Disconnected())

			if !onCNO {
				ctx, cancel := context.WithCancel(context.Background())
				cancel()
				ended := make(chan error, 1)
				go func() {
					var buf [1]Event
					_, _, err := d.Wait(ctx, 1, buf[:])
					ended <- err
				}()
				waitFor(t, func() bool { return len(ended) == 1 })
				require.ErrorIs(t, <-ended, context.Canceled)
				open()
				for _, want := range []EventNumber{DTOCompletion, Disconnected} {
					require.Equal(t, want, waitOne(t, d).Number)
				}
				return
			}
			c := newTestCNO(t, e, CNOConfig{})
			w := newTestWaiter(t, c)
			require.NoError(t, d.ModifyCNO(c))
			require.Nil(t, tryWait(t, w))
			open()
			for range 2 {
				got, err := w.Wait(t.Context())
				require.NoError(t, err)
				require.Same(t, d, got)
				takes(t, d)
			}
			require.Nil(t, tryWait(t, w))
		})
	}
}

// waitOne waits for one event.
func waitOne(t *testing.T, d *EVD) Event {
	t.Helper()
	var buf [1]Event
	n, _, err := d.Wait(t.Context(), 1, buf[:])
	require.NoError(t, err)
	require.Equal(t, 1, n)
	return buf[0]
}

// A completion that is not solicited wakes nobody: what has to come behind it does.
func TestSharedUnsolicited(t *testing.T) {
	setup := func(t *testing.T) (*mock.CQ, *EVD, *Endpoint, func() []EventNumber) {
		cq := newTestCQ(t, mock.Config{Depth: 16})
		e := newTestEngine(t, Config{})
		s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent, SolicitedOnly: true})
		waitFor(t, func() bool { return s.Stats().Arms == 1 && s.load().run() == 0 })
		var mu sync.Mutex
		var got []EventNumber
		d, ep := lateEVD(t, s, EVDConfig{Policy: SingleInstance, Upcall: func(u *Upcall) {
			mu.Lock()
			defer mu.Unlock()
			for _, ev := range u.Events() {
				got = append(got, ev.Number)
			}
		}})
		completeQP(t, cq, 7, 1)
		return cq, d, ep, func() []EventNumber {
			mu.Lock()
			defer mu.Unlock()
			return got
		}
	}
	t.Run("Disconnected", func(t *testing.T) {
		_, _, ep, got := setup(t)
		require.True(t, ep.Disconnected())
		waitFor(t, func() bool { return len(got()) == 3 })
		require.Equal(t, []EventNumber{Established, DTOCompletion, Disconnected}, got())
	})
	t.Run("Shutdown", func(t *testing.T) {
		cq, d, _, got := setup(t)
		ended := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() { ended <- d.Shutdown(ctx) }()
		waitFor(t, func() bool { return len(ended) == 1 })
		require.NoError(t, <-ended)
		require.Equal(t, []EventNumber{Established, DTOCompletion}, got())
		require.False(t, cq.Pending())
	})
}
