package engine

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

func newTestShared(t testing.TB, e *Engine, cfg SharedCQConfig) *SharedCQ {
	t.Helper()
	s, err := e.NewSharedCQ(cfg)
	require.NoError(t, err)
	return s
}

func testJoin(t testing.TB, d *EVD, s *SharedCQ, qp uint32, credits int) *Credits {
	t.Helper()
	c, err := d.Join(s, qp, credits)
	require.NoError(t, err)
	return c
}

// shareSink is an EVD that checks what it gets: completions 1, 2, .. of each queue
// pair.
type shareSink struct {
	t    testing.TB
	mu   sync.Mutex
	last map[uint32]uint64
	n    atom.Counter
}

func newShareSink(t testing.TB) *shareSink { return &shareSink{t: t, last: map[uint32]uint64{}} }

func (k *shareSink) see(evs []Event) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range evs {
		ev := &evs[i]
		if ev.WRID != k.last[ev.QPNum]+1 {
			k.t.Errorf("queue pair %d: completion %d after %d", ev.QPNum, ev.WRID, k.last[ev.QPNum])
		}
		k.last[ev.QPNum] = ev.WRID
	}
	k.n.Add(uint64(len(evs)))
}

func (k *shareSink) upcall(u *Upcall) { k.see(u.Events()) }

func completeQP(t testing.TB, cq *mock.CQ, qp uint32, wrids ...uint64) {
	t.Helper()
	for _, id := range wrids {
		ok, err := cq.Complete(hwcq.WC{WRID: id, QPNum: qp}, false)
		require.NoError(t, err)
		require.True(t, ok)
	}
}

func TestSharedCQ(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive, ModeSpin} {
		for _, disp := range []Dispatch{DispatchAuto, DispatchInline, DispatchQueued} {
			t.Run(fmt.Sprintf("%v/%v", mode, disp), func(t *testing.T) {
				const evds, qps, each = 3, 2, 40
				cq := newTestCQ(t, mock.Config{Depth: 256})
				own := newTestCQ(t, mock.Config{})
				e := newTestEngine(t, Config{})
				s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: mode})
				var sinks []*shareSink
				for i := range uint32(evds) {
					k := newShareSink(t)
					cfg := EVDConfig{Dispatch: disp, Policy: SingleInstance, Upcall: k.upcall}
					if i == 0 { // has a CQ of its own as well
						cfg.CQs, cfg.Mode = []hwcq.CQ{own}, mode
					} else {
						cfg.Streams = DTO
					}
					d, err := e.NewEVD(cfg)
					require.NoError(t, err)
					for q := range uint32(qps) {
						testJoin(t, d, s, i*qps+q, each)
					}
					sinks = append(sinks, k)
				}
				for n := range uint64(each) {
					for qp := range uint32(evds * qps) {
						completeQP(t, cq, qp, n+1)
					}
					completeQP(t, own, 77, n+1)
				}
				waitFor(t, func() bool { return sinks[0].n.Load() == (qps+1)*each })
				for _, k := range sinks[1:] {
					waitFor(t, func() bool { return k.n.Load() == qps*each })
				}
				st := s.Stats()
				require.EqualValues(t, evds*qps*each, st.Polled)
				require.Equal(t, [3]int{evds, evds * qps, evds * qps * each}, [3]int{st.EVDs, st.QPs, st.Reserved})
				require.Zero(t, st.Unrouted)
				require.Zero(t, cq.Stats().ArmAgain)
			})
		}
	}
}

// An EVD that is disabled and has all that it may have, and one whose upcall
// blocks, keep nothing from the third.
func TestSharedNeighbours(t *testing.T) {
	for _, disp := range []Dispatch{DispatchAuto, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			const each = 8
			cq := newTestCQ(t, mock.Config{Depth: 64})
			e := newTestEngine(t, Config{Workers: 2})
			s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
			disabled, err := e.NewEVD(EVDConfig{Streams: DTO, Capacity: 1})
			require.NoError(t, err)
			testJoin(t, disabled, s, 0, each)
			gate, in := make(chan struct{}), make(chan struct{}, each)
			open := sync.OnceFunc(func() { close(gate) })
			defer open()
			var slow atom.Counter
			blocked, err := e.NewEVD(EVDConfig{Streams: DTO, Dispatch: disp, Policy: SingleInstance, Upcall: func(u *Upcall) {
				in <- struct{}{}
				<-gate
				slow.Add(uint64(len(u.Events())))
			}})
			require.NoError(t, err)
			testJoin(t, blocked, s, 1, each)
			free := newShareSink(t)
			third, err := e.NewEVD(EVDConfig{Streams: DTO, Dispatch: DispatchInline, Policy: SingleInstance, Upcall: free.upcall})
			require.NoError(t, err)
			testJoin(t, third, s, 2, each)
			completeQP(t, cq, 1, 1)
			select {
			case <-in:
			case <-limit(t).Done():
			}
			for n := range uint64(each) {
				completeQP(t, cq, 0, n+1)
				if n > 0 {
					completeQP(t, cq, 1, n+1)
				}
				completeQP(t, cq, 2, n+1)
			}
			waitFor(t, func() bool { return free.n.Load() == each && s.Stats().Polled == 3*each })
			require.Zero(t, slow.Load())
			require.False(t, cq.Pending())
			require.Zero(t, cq.Overruns())
			var buf [2 * each]Event
			k := newShareSink(t)
			for k.n.Load() < each {
				n, err := disabled.Dequeue(buf[:])
				require.NoError(t, err)
				require.Positive(t, n)
				k.see(buf[:n])
			}
			open()
			waitFor(t, func() bool { return slow.Load() == each })
		})
	}
}

func TestSharedBadInput(t *testing.T) {
	cq, other := newTestCQ(t, mock.Config{Depth: 8}), newTestCQ(t, mock.Config{Depth: 8})
	e, foreign := newTestEngine(t, Config{}), newTestEngine(t, Config{})
	for _, cfg := range []SharedCQConfig{{}, {CQ: cq, Mode: ModeSpin + 1}, {CQ: cq, Batch: -1}, {CQ: cq, Batch: maxBatch + 1}} {
		_, err := e.NewSharedCQ(cfg)
		require.ErrorIs(t, err, ErrInvalid)
	}
	_, err := (*Engine)(nil).NewSharedCQ(SharedCQConfig{CQ: cq})
	require.ErrorIs(t, err, ErrNilHandle)
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{other}})
	require.NoError(t, err)
	_, err = e.NewSharedCQ(SharedCQConfig{CQ: other})
	require.ErrorIs(t, err, ErrBusy)
	s := newTestShared(t, e, SharedCQConfig{CQ: cq})
	require.NotEmpty(t, s.Name())
	_, err = e.NewSharedCQ(SharedCQConfig{CQ: cq})
	require.ErrorIs(t, err, ErrBusy)
	_, err = e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}})
	require.ErrorIs(t, err, ErrBusy)
	alien := newTestShared(t, foreign, SharedCQConfig{CQ: newTestCQ(t, mock.Config{})})
	soft, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	had := testJoin(t, d, s, 1, 3)
	before, links := s.Stats(), len(d.links())
	for _, tc := range []struct {
		name    string
		d       *EVD
		s       *SharedCQ
		qp      uint32
		credits int
		want    error
	}{
		{"nil EVD", nil, s, 2, 1, ErrNilHandle},
		{"nil shared CQ", d, nil, 2, 1, ErrNilHandle},
		{"foreign", d, alien, 2, 1, ErrForeign},
		{"no stream", soft, s, 2, 1, ErrStream},
		{"no credits", d, s, 2, 0, ErrCreditsRequired},
		{"fewer than none", d, s, 2, -1, ErrInvalid},
		{"more than the CQ holds", d, s, 2, 9, ErrCredits},
		{"more than are left", d, s, 2, 6, ErrCredits},
		{"taken", d, s, 1, 1, ErrBusy},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := tc.d.Join(tc.s, tc.qp, tc.credits)
			require.ErrorIs(t, err, tc.want)
			require.Nil(t, c)
			st := s.Stats()
			require.Equal(t, [3]int{before.EVDs, before.QPs, before.Reserved}, [3]int{st.EVDs, st.QPs, st.Reserved})
			require.Len(t, d.links(), links)
		})
	}
	_, err = d.Join(s, 2, -1)
	require.NotErrorIs(t, err, ErrCreditsRequired)
	require.NotErrorIs(t, err, ErrCredits)
	binds, err := e.NewEVD(EVDConfig{Streams: Bind})
	require.NoError(t, err)
	require.NoError(t, testJoin(t, binds, s, 2, 5).Close(), "all that are left, and Bind will do")
	// One that is refused takes nothing of another's away.
	k, err := e.NewEVD(EVDConfig{Streams: DTO})
	require.NoError(t, err)
	_, err = k.Join(s, 1, 1)
	require.ErrorIs(t, err, ErrBusy)
	require.Empty(t, k.links())
	require.NoError(t, had.Acquire(1))
	completeQP(t, cq, 1, 9)
	waitFor(t, func() bool { return d.Query().Pending == 1 })
	n, err := d.Dequeue(make([]Event, 1))
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, 3, had.Free())

	require.ErrorIs(t, s.Close(), ErrBusy)
	require.NoError(t, d.Close())
	_, err = d.Join(s, 5, 1)
	require.ErrorIs(t, err, ErrClosed)
	require.NoError(t, s.Close())
	require.NoError(t, s.Close())
	_, err = k.Join(s, 5, 1)
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, (*SharedCQ)(nil).Close(), ErrNilHandle)
	require.Equal(t, SharedStats{}, (*SharedCQ)(nil).Stats())
	reuse, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}}) // it feeds nobody any more
	require.NoError(t, err)
	require.NoError(t, reuse.Close())
	require.NoError(t, foreign.Close())
	_, err = foreign.NewSharedCQ(SharedCQConfig{CQ: cq})
	require.ErrorIs(t, err, ErrClosed)
}

// More than the credits: nothing is lost, the order is kept, nobody is blocked, and
// it is told.
func TestSharedOverflow(t *testing.T) {
	const over = 50
	cq := newTestCQ(t, mock.Config{Depth: 128})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	d, err := e.NewEVD(EVDConfig{Streams: DTO, Capacity: 1, Leftovers: func([]Event) {}})
	require.NoError(t, err)
	c := testJoin(t, d, s, 3, 3)
	completeQP(t, cq, 3, 1, 2, 3)
	waitFor(t, func() bool { return s.Stats().Polled == 3 })
	var buf [8]Event
	n, err := e.Async().Dequeue(buf[:])
	require.NoError(t, err)
	require.Zero(t, n, "as many as there are credits")
	for id := range uint64(over) {
		completeQP(t, cq, 3, id+4)
	}
	waitFor(t, func() bool { return s.Stats().Polled == over+3 })
	n, _, err = e.Async().Wait(limit(t), 1, buf[:])
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, EVDOverflow, buf[0].Number)
	require.Equal(t, d.ID(), buf[0].Source())
	k := newShareSink(t)
	for k.n.Load() < over+3 {
		n, err := d.Dequeue(buf[:])
		require.NoError(t, err)
		require.Positive(t, n)
		k.see(buf[:n])
	}
	require.Equal(t, 3, c.Free(), "never more than there are")
}

func TestUnrouted(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	d, err := e.NewEVD(EVDConfig{Streams: DTO})
	require.NoError(t, err)
	c := testJoin(t, d, s, 1, 2)
	completeQP(t, cq, 1, 1)
	waitFor(t, func() bool { return s.Stats().Polled == 1 })
	require.NoError(t, c.Close())
	completeQP(t, cq, 1, 2)
	completeQP(t, cq, 9, 1)
	waitFor(t, func() bool { return s.Stats().Unrouted == 2 })
	require.EqualValues(t, 9, s.Stats().LastUnrouted)
	var buf [4]Event
	total := 0
	waitFor(t, func() bool { // not by Wait: mutants run this in the explorer's build
		n, err := e.Async().Dequeue(buf[:])
		for i := range buf[:n] {
			require.Equal(t, Unrouted, buf[i].Number)
			require.Zero(t, buf[i].Source())
			require.EqualValues(t, s.ID(), buf[i].WRID)
			total += buf[i].Count()
		}
		return err == nil && total >= 2
	})
	require.Equal(t, 2, total)
	n, err := d.Dequeue(buf[:])
	require.NoError(t, err)
	require.Equal(t, 1, n, "what came before it left")
	n, err = d.Dequeue(buf[:])
	require.NoError(t, err)
	require.Zero(t, n)
	// The port is taken off when nothing is in it; its index is free again.
	testJoin(t, d, s, 1, 2)
	require.Len(t, d.links(), 1)
	require.EqualValues(t, 0, d.links()[0].index)
}

// Everybody who has joined hears of a CQ's end, gets what was there, and is not kept
// from enabling upcalls.
func TestSharedEnds(t *testing.T) {
	for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
		for _, tc := range []struct {
			name string
			want error
			num  EventNumber
			end  func(cq *mock.CQ)
		}{
			{"removed", hwcq.ErrRemoved, DeviceRemoved, func(cq *mock.CQ) { cq.Remove() }},
			{"overrun", hwcq.ErrOverrun, CQOverrun, func(cq *mock.CQ) {
				wcs := make([]hwcq.WC, 9) // one more than it holds
				for i := range wcs {
					wcs[i].QPNum = 99
				}
				_, _ = cq.CompleteN(wcs, false)
			}},
		} {
			t.Run(tc.name+"/"+mode.String(), func(t *testing.T) {
				cq := newTestCQ(t, mock.Config{Depth: 8, FatalOverrun: true})
				e := newTestEngine(t, Config{})
				s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: mode})
				waiter, err := e.NewEVD(EVDConfig{Streams: DTO})
				require.NoError(t, err)
				testJoin(t, waiter, s, 1, 2)
				k := newShareSink(t)
				up, err := e.NewEVD(EVDConfig{Streams: DTO, Policy: SingleInstance, Upcall: k.upcall})
				require.NoError(t, err)
				testJoin(t, up, s, 2, 2)
				completeQP(t, cq, 2, 1)
				completeQP(t, cq, 1, 1)
				waitFor(t, func() bool { return s.Stats().Polled == 2 })
				tc.end(cq)
				got := 0
				var buf [4]Event
				for {
					n, _, err := waiter.Wait(limit(t), 1, buf[:])
					got += n
					if err != nil {
						require.ErrorIs(t, err, tc.want)
						break
					}
				}
				require.Equal(t, 1, got)
				waitFor(t, func() bool { return k.n.Load() == 1 })
				told := map[uint32]bool{}
				for len(told) < 3 {
					n, _, err := e.Async().Wait(limit(t), 1, buf[:])
					require.NoError(t, err)
					for _, ev := range buf[:n] {
						if ev.Number == tc.num {
							told[ev.Source()] = true
						}
					}
				}
				require.Equal(t, map[uint32]bool{0: true, waiter.ID(): true, up.ID(): true}, told)
				_, err = up.Join(s, 3, 1)
				require.ErrorIs(t, err, tc.want)
				require.NoError(t, waiter.ModifyUpcall(SingleInstance, func(*Upcall) {}))
			})
		}
	}
}

// What has come to the port of a closed EVD is left over; what comes later is
// nobody's.
func TestSharedClose(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	left := newShareSink(t)
	d, err := e.NewEVD(EVDConfig{Streams: DTO, Leftovers: left.see})
	require.NoError(t, err)
	c := testJoin(t, d, s, 1, 40)
	for id := range uint64(40) {
		completeQP(t, cq, 1, id+1)
	}
	waitFor(t, func() bool { return s.Stats().Polled == 40 })
	require.ErrorIs(t, s.Close(), ErrBusy)
	require.NoError(t, d.Close())
	require.EqualValues(t, 40, left.n.Load())
	require.ErrorIs(t, c.Acquire(1), ErrClosed)
	require.NoError(t, c.Close())
	completeQP(t, cq, 1, 41)
	waitFor(t, func() bool { return s.Stats().Unrouted == 1 })
	st := d.Stats()
	require.Equal(t, st.Polled, st.Leftover)
	require.NoError(t, s.Close())
	completeQP(t, cq, 1, 42)
	require.True(t, cq.Pending(), "what comes to a CQ that is shared no more stays there")
}

// Shutdown delivers what is still on the shared CQ.
func TestSharedShutdown(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	k := newShareSink(t)
	d, err := e.NewEVD(EVDConfig{Streams: DTO, Policy: SingleInstance, Upcall: k.upcall})
	require.NoError(t, err)
	testJoin(t, d, s, 1, 100)
	for id := range uint64(100) {
		completeQP(t, cq, 1, id+1)
	}
	require.NoError(t, d.Shutdown(limit(t)))
	require.EqualValues(t, 100, k.n.Load())
	require.NoError(t, s.Close())
}

// While the shared CQ is held up, Shutdown ends with its context.
func TestSharedShutdownEnds(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	gate, in := make(chan struct{}), make(chan struct{})
	d, err := e.NewEVD(EVDConfig{Streams: DTO, Dispatch: DispatchInline, Policy: SingleInstance, Upcall: func(*Upcall) {
		close(in)
		<-gate
	}})
	require.NoError(t, err)
	testJoin(t, d, s, 1, 1)
	late, err := e.NewEVD(EVDConfig{Streams: DTO})
	require.NoError(t, err)
	testJoin(t, late, s, 2, 1)
	completeQP(t, cq, 1, 1)
	<-in
	completeQP(t, cq, 2, 1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, late.Shutdown(ctx), context.Canceled)
	close(gate)
	waitFor(t, func() bool { return late.Query().Pending == 1 })
}

// An inline upcall that ends its goroutine does not end the shared CQ.
func TestSharedUpcallDoesNotReturn(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	bad, err := e.NewEVD(EVDConfig{Streams: DTO, Dispatch: DispatchInline, Policy: SingleInstance, Upcall: func(*Upcall) { runtime.Goexit() }})
	require.NoError(t, err)
	testJoin(t, bad, s, 1, 8)
	k := newShareSink(t)
	good, err := e.NewEVD(EVDConfig{Streams: DTO, Policy: SingleInstance, Upcall: k.upcall})
	require.NoError(t, err)
	testJoin(t, good, s, 2, 8)
	for id := range uint64(8) {
		completeQP(t, cq, 1, id+1)
		completeQP(t, cq, 2, id+1)
	}
	waitFor(t, func() bool { return k.n.Load() == 8 && bad.Stats().Delivered == 8 })
	waitFor(t, func() bool { return s.load().run() == 0 })
	require.NoError(t, bad.Close())
	require.NoError(t, good.Close())
	require.NoError(t, s.Close())
}

// The number of a CQ has 16 bits.
func TestJoinTooMany(t *testing.T) {
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: newTestCQ(t, mock.Config{})})
	d, err := e.NewEVD(EVDConfig{Streams: DTO})
	require.NoError(t, err)
	had, all := d.src.Load(), make([]*link, maxCQs)
	for i := range all {
		all[i] = &link{index: uint16(i)}
	}
	d.src.Store(&sources{links: all})
	_, err = d.Join(s, 1, 1)
	require.ErrorIs(t, err, ErrFull)
	require.Same(t, all[0], d.links()[0])
	d.src.Store(&sources{links: all[1:]})
	c, err := d.Join(s, 1, 1)
	require.NoError(t, err)
	require.Zero(t, c.port.link.index, "the only one that is free")
	require.NoError(t, c.Close())
	d.src.Store(had)
}

// An arm fails, and the shared CQ goes on; it is told of, about no EVD.
func TestSharedArmError(t *testing.T) {
	f, err := mock.ParseFaults("armerror=2+3")
	require.NoError(t, err)
	cq := newTestCQ(t, mock.Config{Faults: f})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	k := newShareSink(t)
	d, err := e.NewEVD(EVDConfig{Streams: DTO, Policy: SingleInstance, Upcall: k.upcall})
	require.NoError(t, err)
	testJoin(t, d, s, 1, 8)
	for id := range uint64(8) {
		completeQP(t, cq, 1, id+1)
		waitFor(t, func() bool { return k.n.Load() == id+1 })
	}
	var buf [4]Event
	n, _, err := e.Async().Wait(limit(t), 1, buf[:])
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, ArmFailure, buf[0].Number)
	require.Zero(t, buf[0].Source())
	require.Positive(t, s.Stats().ArmErrors)
}

// A lost interrupt of a shared CQ is found by the watchdog, and drops are told to
// all.
func TestSharedWatchdog(t *testing.T) {
	f, err := mock.ParseFaults("lose=1")
	require.NoError(t, err)
	cq := newTestCQ(t, mock.Config{Depth: 8, Faults: f})
	e := newTestEngine(t, Config{Watchdog: NoWatchdog})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	d, err := e.NewEVD(EVDConfig{Streams: DTO})
	require.NoError(t, err)
	testJoin(t, d, s, 1, 4)
	waitFor(t, func() bool { return s.Stats().Arms == 1 && s.load().run() == 0 })
	completeQP(t, cq, 1, 1)
	e.tick()
	require.Zero(t, s.Stats().LostInterrupts)
	e.tick()
	waitFor(t, func() bool { return d.Query().Pending == 1 && s.Stats().LostInterrupts == 1 })
}

// 10,000 EVDs on one CQ: no goroutine for each.
func TestSharedMany(t *testing.T) {
	const evds = 10000
	cq := newTestCQ(t, mock.Config{Depth: evds * 2})
	e := newTestEngine(t, Config{Workers: 2})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent, Batch: 64})
	before := runtime.NumGoroutine()
	var got atom.Counter
	upcall := func(u *Upcall) { got.Add(uint64(len(u.Events()))) }
	for i := range uint32(evds) {
		d, err := e.NewEVD(EVDConfig{Streams: DTO, Capacity: 1, Batch: 1, Policy: SingleInstance, Upcall: upcall})
		require.NoError(t, err)
		testJoin(t, d, s, i, 2)
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
	for i := range uint32(evds) {
		completeQP(t, cq, i, 1)
	}
	waitFor(t, func() bool { return got.Load() == evds })
}

func TestZeroAllocShared(t *testing.T) {
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			cq := newTestCQ(t, mock.Config{})
			e := newTestEngine(t, Config{Workers: 1})
			s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
			var got atom.Counter
			d, err := e.NewEVD(EVDConfig{Streams: DTO, Dispatch: disp, Policy: SingleInstance, Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) }})
			require.NoError(t, err)
			c := testJoin(t, d, s, 1, 4)
			n := uint64(0)
			require.Zero(t, testing.AllocsPerRun(1000, func() {
				if c.Acquire(1) != nil {
					t.Error("no credit")
				}
				if _, err := cq.Complete(hwcq.WC{WRID: n, QPNum: 1}, false); err != nil {
					t.Error(err)
				}
				for n++; got.Load() != n; {
					atom.Spin()
				}
			}))
			require.Zero(t, testing.AllocsPerRun(100, func() {
				if c.Acquire(4) == nil {
					_ = c.Acquire(1) // there is none
					_ = c.Release(4)
				}
			}))
		})
	}
}
