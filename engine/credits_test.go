package engine

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

func TestCredits(t *testing.T) {
	cq := newTestCQ(t, mock.Config{Depth: 8})
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}})
	require.NoError(t, err)
	c, err := d.Reserve(CreditsConfig{QPNum: 1, N: 3})
	require.NoError(t, err)
	require.Equal(t, [2]int{3, 3}, [2]int{c.Free(), c.Limit()})
	for _, n := range []int{0, -1, 4, math.MaxInt} {
		require.ErrorIs(t, c.Acquire(n), ErrInvalid)
		require.ErrorIs(t, c.Release(n), ErrInvalid)
	}
	require.ErrorIs(t, c.Release(1), ErrInvalid, "nothing is out")
	require.NoError(t, c.Acquire(2))
	require.ErrorIs(t, c.Acquire(2), ErrNoCredit)
	require.ErrorIs(t, c.Release(3), ErrInvalid)
	require.Equal(t, 1, c.Free())
	require.NoError(t, c.Release(1))
	completeQP(t, cq, 1, 1)
	completeQP(t, cq, 2, 1) // of a queue pair without
	var buf [4]Event
	n, err := d.Dequeue(buf[:])
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, 3, c.Free(), "given back when it was taken")
	require.NoError(t, c.Acquire(3))
	require.NoError(t, c.Close())
	require.NoError(t, c.Close())
	require.Zero(t, c.Free())
	require.ErrorIs(t, c.Acquire(1), ErrClosed)
	require.ErrorIs(t, c.Release(1), ErrClosed)
	again, err := d.Reserve(CreditsConfig{QPNum: 1, N: 8})
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.ErrorIs(t, again.Acquire(1), ErrClosed)
	without, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	_, err = without.Reserve(CreditsConfig{N: 1})
	requireInvalid(t, err, "CQ = 0: must be nothing")
	for _, none := range []*Credits{nil, {}} {
		require.ErrorIs(t, none.Acquire(1), ErrNilHandle)
		require.ErrorIs(t, none.Release(1), ErrNilHandle)
		require.ErrorIs(t, none.Close(), ErrNilHandle)
		require.Zero(t, none.Free()+none.Limit())
	}
}

// The sums: of a CQ its depth, of what passes the ring its capacity. What is refused
// changes nothing.
func TestReserve(t *testing.T) {
	for _, disp := range []Dispatch{DispatchAuto, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			e := newTestEngine(t, Config{})
			a, b := newTestCQ(t, mock.Config{Depth: 8}), newTestCQ(t, mock.Config{Depth: 16})
			d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{a, b}, Capacity: 12, Dispatch: disp})
			require.NoError(t, err)
			reserve := func(cq int, qp uint32, n int) error {
				_, err := d.Reserve(CreditsConfig{CQ: cq, QPNum: qp, N: n})
				return err
			}
			for _, cq := range []int{-1, 2, math.MaxInt} {
				require.ErrorIs(t, reserve(cq, 1, 1), ErrInvalid)
			}
			require.ErrorIs(t, reserve(0, 1, 0), ErrInvalid)
			require.ErrorIs(t, reserve(0, 1, -1), ErrInvalid)
			require.ErrorIs(t, reserve(0, 1, 9), ErrCredits)
			require.ErrorIs(t, reserve(0, 1, math.MaxInt), ErrCredits)
			require.NoError(t, reserve(0, 1, 5))
			require.ErrorIs(t, reserve(0, 1, 1), ErrBusy)
			require.ErrorIs(t, reserve(0, 2, 4), ErrCredits)
			require.NoError(t, reserve(0, 2, 3))
			onB := 16
			if disp == DispatchQueued {
				onB = d.Capacity() - 8
				require.Less(t, onB, 16)
			}
			require.ErrorIs(t, reserve(1, 1, onB+1), ErrCredits)
			require.NoError(t, reserve(1, 1, onB))
			if disp == DispatchQueued {
				require.Equal(t, d.Capacity(), d.reserved())
				require.ErrorIs(t, d.Resize(d.Capacity()-1), ErrTooSmall, "what is reserved stays")
			} else {
				require.Zero(t, d.reserved())
			}
			_, err = (*EVD)(nil).Reserve(CreditsConfig{N: 1})
			require.ErrorIs(t, err, ErrNilHandle)
			require.NoError(t, d.Close())
			require.Zero(t, d.reserved())
			require.ErrorIs(t, reserve(0, 9, 1), ErrClosed)
		})
	}
}

// loadWith has several submit on a CQ that holds exactly the credits, and drops what
// finds it full.
func loadWith(t *testing.T, cq *mock.CQ, credits []*Credits, each int) {
	t.Helper()
	var wg sync.WaitGroup
	for qp, c := range credits {
		wg.Go(func() {
			for id := uint64(1); id <= uint64(each); {
				if c.Acquire(1) != nil {
					atom.Spin()
					continue
				}
				if ok, err := cq.Complete(hwcq.WC{WRID: id, QPNum: uint32(qp)}, false); !ok || err != nil {
					t.Errorf("not stored: %v", err)
				}
				id++
			}
		})
	}
	wg.Wait()
}

func TestCreditsKeepFromOverrun(t *testing.T) {
	const qps, each = 4, 2000
	for _, disp := range []Dispatch{DispatchAuto, DispatchQueued} {
		for _, mode := range []Mode{ModeEvent, ModeAdaptive} {
			t.Run(fmt.Sprintf("%v/%v", disp, mode), func(t *testing.T) {
				cq := newTestCQ(t, mock.Config{Depth: 8})
				e := newTestEngine(t, Config{})
				k := newShareSink(t)
				d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Capacity: 8, Batch: 3, Mode: mode, Dispatch: disp, Policy: SingleInstance, Upcall: k.upcall})
				require.NoError(t, err)
				var credits []*Credits
				for qp := range uint32(qps) {
					c, err := d.Reserve(CreditsConfig{QPNum: qp, N: 2})
					require.NoError(t, err)
					credits = append(credits, c)
				}
				loadWith(t, cq, credits, each)
				waitFor(t, func() bool { return k.n.Load() == qps*each })
				require.Zero(t, cq.Overruns())
				require.Zero(t, d.Stats().Stalls, "the ring always has a place")
				for _, c := range credits {
					require.Equal(t, 2, c.Free())
				}
			})
		}
	}
	t.Run("shared", func(t *testing.T) {
		cq := newTestCQ(t, mock.Config{Depth: 8})
		e := newTestEngine(t, Config{})
		s := newTestShared(t, e, SharedCQConfig{CQ: cq, Batch: 3})
		var credits []*Credits
		var sinks []*shareSink
		for qp := range uint32(qps) {
			k := newShareSink(t)
			d, err := e.NewEVD(EVDConfig{Streams: DTO, Policy: SingleInstance, Upcall: k.upcall})
			require.NoError(t, err)
			credits, sinks = append(credits, testJoin(t, d, s, qp, 2)), append(sinks, k)
		}
		loadWith(t, cq, credits, each)
		for i, k := range sinks {
			waitFor(t, func() bool { return k.n.Load() == each })
			require.Equal(t, 2, credits[i].Free())
		}
		require.Zero(t, cq.Overruns())
		n, err := e.Async().Dequeue(make([]Event, 1))
		require.NoError(t, err)
		require.Zero(t, n, "nobody had more than his credits")
	})
	t.Run("without", func(t *testing.T) {
		cq := newTestCQ(t, mock.Config{Depth: 8})
		e := newTestEngine(t, Config{})
		_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}})
		require.NoError(t, err)
		for id := range uint64(9) {
			_, err := cq.Complete(hwcq.WC{WRID: id}, false)
			require.NoError(t, err)
		}
		require.EqualValues(t, 1, cq.Overruns())
	})
}

// No place: the completion stays on the CQ.
func TestR44FullRingLeavesCompletion(t *testing.T) {
	cq := newTestCQ(t, mock.Config{Depth: 16})
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Capacity: 2, Batch: 1, Mode: ModeEvent, Dispatch: DispatchQueued})
	require.NoError(t, err)
	for id := range uint64(10) {
		completeQP(t, cq, 1, id+1)
	}
	waitFor(t, func() bool { return d.Stats().Stalls > 0 })
	require.True(t, cq.Pending())
	require.EqualValues(t, 2, d.Stats().Polled, "as many as there are places")
	k := newShareSink(t)
	var buf [1]Event
	for k.n.Load() < 10 {
		n, err := d.Dequeue(buf[:])
		if err != nil {
			require.ErrorIs(t, err, ErrBusy)
		}
		k.see(buf[:n])
	}
	require.Zero(t, cq.Overruns())
}

// The EVD of errors has a place for each number and source, and counts: it cannot
// overflow, nor die of it.
func TestR45AsyncEVDCannotOverflow(t *testing.T) {
	const evds, times = 20, 500
	e := newTestEngine(t, Config{})
	require.Equal(t, 1, e.Async().Capacity())
	numbers := []EventNumber{ProviderError, CQOverrun, DeviceRemoved}
	var wg sync.WaitGroup
	for range evds {
		d, err := e.NewEVD(EVDConfig{})
		require.NoError(t, err)
		wg.Go(func() {
			for range times {
				for _, n := range numbers {
					if err := d.ReportAsync(n); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	type slot struct {
		source uint32
		number EventNumber
	}
	got := map[slot]int{}
	var buf [7]Event
	for {
		n, err := e.Async().Dequeue(buf[:])
		require.NoError(t, err)
		if n == 0 {
			break
		}
		for i := range buf[:n] {
			got[slot{buf[i].Source(), buf[i].Number}] += buf[i].Count()
		}
	}
	require.Len(t, got, evds*len(numbers))
	for s, n := range got {
		require.Equal(t, times, n, "%v", s)
	}
}

// A completion of a queue pair that is gone comes to whoever has its number now. It
// breaks no connection and gives no credit back where endpoints are tagged.
func TestR52StaleCompletionOfSharedCQ(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	old, err := e.NewEVD(EVDConfig{Streams: DTO | Connection})
	require.NoError(t, err)
	c := testJoin(t, old, s, 5, 2)
	was, err := e.NewEndpoint(EndpointConfig{QPNum: 5, Recv: old, Connect: old, Tagged: true})
	require.NoError(t, err)
	stale := was.WRID(1)
	require.NoError(t, c.Close())
	require.NoError(t, was.Close())

	d, err := e.NewEVD(EVDConfig{Streams: DTO | Connection})
	require.NoError(t, err)
	c = testJoin(t, d, s, 5, 2)
	ep, err := e.NewEndpoint(EndpointConfig{QPNum: 5, Recv: d, Connect: d, Tagged: true})
	require.NoError(t, err)
	require.True(t, ep.Established())
	require.NoError(t, c.Acquire(2))
	_, err = cq.Complete(hwcq.WC{WRID: stale, QPNum: 5, Status: hwcq.StatusRemAccessErr}, false)
	require.NoError(t, err)
	completeQP(t, cq, 5, ep.WRID(2))
	waitFor(t, func() bool { return s.Stats().Polled == 2 })
	var buf [8]Event
	for n := 0; n < 3; {
		k, err := d.Dequeue(buf[n:])
		require.NoError(t, err)
		require.Positive(t, k)
		n += k
	}
	require.True(t, ep.Connected())
	require.Equal(t, 1, c.Free(), "of the new one only")
}

// On a port, too: Broken comes directly behind the completion that broke it,
// Disconnected behind what was there.
func TestSharedConnection(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Mode: ModeEvent})
	d, err := e.NewEVD(EVDConfig{Streams: DTO | Connection})
	require.NoError(t, err)
	for qp := range uint32(2) {
		testJoin(t, d, s, qp, 4)
	}
	bad, err := e.NewEndpoint(EndpointConfig{QPNum: 0, Recv: d, Connect: d})
	require.NoError(t, err)
	good, err := e.NewEndpoint(EndpointConfig{QPNum: 1, Recv: d, Connect: d})
	require.NoError(t, err)
	require.True(t, bad.Established() && good.Established())
	completeQP(t, cq, 0, 1)
	completeQP(t, cq, 1, 2)
	_, err = cq.Complete(hwcq.WC{WRID: 3, QPNum: 0, Status: hwcq.StatusRemAccessErr}, false)
	require.NoError(t, err)
	completeQP(t, cq, 1, 4)
	require.True(t, good.Disconnected())
	var got []string
	var buf [1]Event
	for len(got) < 8 {
		n, _, err := d.Wait(limit(t), 1, buf[:])
		require.NoError(t, err)
		require.Equal(t, 1, n)
		what := fmt.Sprintf("%d %v", buf[0].QPNum, buf[0].Number)
		if buf[0].Number == DTOCompletion {
			what = fmt.Sprint(buf[0].WRID)
		}
		got = append(got, what)
	}
	require.ElementsMatch(t, []string{"0 established", "1 established"}, got[:2])
	require.Equal(t, []string{"1", "2", "3", "0 broken", "4", "1 disconnected"}, got[2:])
}

// A port is a queue, whatever comes: against a slice.
func TestPortIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := &Engine{}
		async := &EVD{machine: machine{e: e}}
		async.self, e.async = async, async
		e.rq.cond = atom.NewCond(&e.rq.mu)
		d := &EVD{machine: machine{e: e}}
		room := rapid.IntRange(1, 5).Draw(t, "room")
		p := newPort(d, &SharedCQ{depth: 1 << 20}, uint64(room))
		p.reserve(room)
		var want []uint64
		next, armed, overflows := uint64(0), false, false
		left := 0 // of want: came before a number was taken off, and may be of that
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				for range rapid.IntRange(1, 9).Draw(t, "n") {
					next++
					p.write(&hwcq.WC{WRID: next})
					want = append(want, next)
					overflows = overflows || len(want)-left > room
				}
				require.Equal(t, armed, p.commit())
				armed = false
				require.Equal(t, overflows, d.alarms.Load() != nil)
			},
			"poll": func(t *rapid.T) {
				dst := make([]hwcq.WC, rapid.IntRange(1, 9).Draw(t, "most"))
				n := p.Poll(dst)
				require.Equal(t, min(len(dst), len(want)), n)
				for i := range n {
					require.Equal(t, want[i], dst[i].WRID)
				}
				want = want[n:]
				left = max(0, left-n)
			},
			"arm": func(*rapid.T) {
				_, _ = p.Arm(false)
				armed = true
			},
			"reserve": func(t *rapid.T) {
				delta := rapid.IntRange(-room+1, 7).Draw(t, "delta")
				p.reserve(delta)
				room += delta
				if delta < 0 {
					left = len(want)
				}
			},
			"": func(t *rapid.T) { require.Equal(t, len(want), p.held()) },
		})
	})
}

// Joins, leaves, closes, enabling and disabling at random, on one CQ: what came is
// delivered, dequeued, left over or nobody's, exactly.
func TestSharedStress(t *testing.T) {
	const users, rounds, depth = 6, 25, 64
	cq := newTestCQ(t, mock.Config{Depth: depth})
	e := newTestEngine(t, Config{Workers: 2})
	s := newTestShared(t, e, SharedCQConfig{CQ: cq, Batch: 4})
	var stored, seen atom.Counter
	see := func(n int) { seen.Add(uint64(n)) }
	var wg sync.WaitGroup
	for u := range uint64(users) {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(u, 5))
			for range rounds {
				cfg := EVDConfig{
					Streams: DTO, Capacity: 4, Batch: 1 + r.IntN(4), Dispatch: Dispatch(r.IntN(3)), Policy: SingleInstance,
					Upcall:    func(u *Upcall) { see(len(u.Events())) },
					Leftovers: func(evs []Event) { see(len(evs)) },
				}
				d, err := e.NewEVD(cfg)
				if err != nil {
					t.Error(err)
					return
				}
				var joined []*Credits
				for range 30 {
					switch r.IntN(8) {
					case 0: // numbers are fought for
						c, err := d.Join(s, uint32(r.IntN(users)), 1+r.IntN(4))
						if err == nil {
							joined = append(joined, c)
						}
					case 1:
						if n := len(joined); n > 0 && r.IntN(3) == 0 {
							_ = joined[n-1].Close()
							joined = joined[:n-1]
						}
					case 2:
						_ = d.ModifyUpcall(Disable, Same)
					case 3:
						_ = d.ModifyUpcallAny(SingleInstance, Same)
					case 4:
						var buf [3]Event
						n, _ := d.Dequeue(buf[:])
						see(n)
					default:
						for _, c := range joined {
							if c.Acquire(1) != nil {
								continue
							}
							if ok, err := cq.Complete(hwcq.WC{QPNum: c.qp}, false); err != nil {
								t.Error(err)
							} else if ok {
								stored.Add(1)
							}
						}
					}
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	waitFor(t, func() bool { return s.Stats().Polled == stored.Load() })
	st := s.Stats()
	require.Equal(t, stored.Load(), seen.Load()+st.Unrouted)
	require.Equal(t, [3]int{}, [3]int{st.EVDs, st.QPs, st.Reserved})
	require.NoError(t, s.Close())
}
