package engine

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// Producers of the stress test: two posters, and a stream of completions.
const (
	stressPosters = 2
	stressCQ      = stressPosters // producer number of the stream
	stressEach    = 150           // events of each producer
)

// ledger checks that every event comes out once, and in the order of its
// producer as far as one consumer sees it.
type ledger struct {
	t    *testing.T
	seen [stressPosters + 1][stressEach]atom.Bool
	out  atom.Uint64
}

// view is what one consumer has seen: the upcalls, the dequeuer, the
// leftovers. Plain memory: the race detector checks that there is one at a
// time.
type view struct {
	l    *ledger
	last [stressPosters + 1]int // plus one
}

func (v *view) take(evs []Event) {
	for i := range evs {
		by, n := int(evs[i].WRID>>32), int(uint32(evs[i].WRID))
		if by > stressCQ || n >= stressEach || (evs[i].Stream == DTO) != (by == stressCQ) {
			v.l.t.Errorf("not an event of ours: %+v", evs[i])
			return
		}
		if v.l.seen[by][n].Swap(true) {
			v.l.t.Errorf("producer %d: event %d came twice", by, n)
		}
		if n < v.last[by] {
			v.l.t.Errorf("producer %d: event %d after %d", by, n, v.last[by]-1)
		}
		v.last[by] = n + 1
	}
	v.l.out.Add(uint64(len(evs)))
}

// drain is the consumer's turn: dequeue until enabling succeeds.
func (v *view) drain(dequeue func([]Event) (int, error), enable func(Policy, UpcallFunc) error) {
	var buf [5]Event
	for {
		n, err := dequeue(buf[:])
		v.take(buf[:n])
		if errors.Is(err, ErrClosed) {
			return
		}
		if n > 0 {
			continue
		}
		err = enable(SingleInstance, Same)
		if err == nil || errors.Is(err, ErrClosed) {
			return
		}
		if !errors.Is(err, ErrEventsPending) && !errors.Is(err, mock.ErrInjected) {
			v.l.t.Errorf("enable: %v", err)
			return
		}
		runtime.Gosched()
	}
}

type stressCase struct {
	mode  Mode
	disp  Dispatch
	admin string // who disables, drains and enables
	early bool   // Close in the middle
	procs int
	fault mock.Faults
}

func (c stressCase) String() string {
	s := fmt.Sprintf("%v/%v/%s/procs=%d", c.mode, c.disp, c.admin, c.procs)
	if c.early {
		s += "/early"
	}
	return s
}

func TestStress(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	i := uint64(0)
	for _, mode := range []Mode{ModeAdaptive, ModeEvent, ModeSpin} {
		for _, disp := range []Dispatch{DispatchAuto, DispatchInline, DispatchQueued} {
			for _, admin := range []string{"nobody", "inside", "outside"} {
				for _, early := range []bool{false, true} {
					i++
					for _, procs := range []int{1, 2, 4} {
						c := stressCase{mode: mode, disp: disp, admin: admin, early: early, procs: procs}
						t.Run(c.String(), func(t *testing.T) {
							runtime.GOMAXPROCS(c.procs)
							stress(t, c, i)
						})
					}
				}
			}
		}
	}
}

// Hardware that fails to arm, raises events twice, late, and for nothing. (An
// event that never comes is not to be made up for.)
func TestStressFaults(t *testing.T) {
	fault := mock.Faults{
		ArmError: mock.Rule{Prob: 0.2}, SpuriousEvent: mock.Rule{Prob: 0.2}, DuplicateEvent: mock.Rule{Prob: 0.2},
		DelayEvent: mock.Rule{Prob: 0.2}, Delay: 100 * time.Microsecond,
	}
	for i, admin := range []string{"nobody", "inside", "outside"} {
		for _, mode := range []Mode{ModeAdaptive, ModeEvent} {
			for _, disp := range []Dispatch{DispatchAuto, DispatchQueued} {
				c := stressCase{mode: mode, disp: disp, admin: admin, procs: runtime.GOMAXPROCS(0), fault: fault}
				t.Run(c.String(), func(t *testing.T) { stress(t, c, uint64(i)) })
			}
		}
	}
}

func stress(t *testing.T, c stressCase, seed uint64) {
	l := &ledger{t: t}
	up, down, rest := &view{l: l}, &view{l: l}, &view{l: l}
	e := newTestEngine(t, Config{})
	cq := newTestCQ(t, mock.Config{Depth: 8, Seed: seed, Faults: c.fault})
	rnd := rand.New(rand.NewPCG(seed, 1)) // owner: the upcalls
	d, err := e.NewEVD(EVDConfig{
		Streams: Software | DTO, CQs: []hwcq.CQ{cq}, Mode: c.mode, Dispatch: c.disp,
		Policy: SingleInstance, Capacity: 6, Batch: 4, Budget: 9,
		Upcall: func(u *Upcall) {
			up.take(u.Events())
			if c.admin == "inside" && rnd.IntN(4) == 0 {
				if err := u.ModifyUpcall(Disable, Same); err != nil {
					return // closed
				}
				up.drain(u.Dequeue, u.ModifyUpcall)
			}
		},
		Leftovers: rest.take,
	})
	require.NoError(t, err)
	posted := [stressPosters]uint64{}
	var work, admin sync.WaitGroup
	for p := range posted {
		work.Go(func() {
			for n := uint64(0); n < stressEach; {
				switch err := d.Post(Event{WRID: uint64(p)<<32 | n}); {
				case err == nil:
					n++
					posted[p] = n
				case errors.Is(err, ErrFull):
					runtime.Gosched()
				default:
					if !c.early || !errors.Is(err, ErrClosed) {
						t.Errorf("post: %v", err)
					}
					return
				}
			}
		})
	}
	stream, err := cq.Start(mock.Load{Count: stressEach, Bursts: []int{1, 3, 7}, RandomBursts: true, Seed: seed, WC: hwcq.WC{WRID: stressCQ << 32}})
	require.NoError(t, err)
	var done atom.Bool
	if c.admin == "outside" {
		admin.Go(func() {
			for !done.Load() {
				if d.ModifyUpcall(Disable, Same) == nil {
					down.drain(d.Dequeue, d.ModifyUpcall)
				}
				runtime.Gosched()
			}
		})
	}
	const all = (stressPosters + 1) * stressEach
	if c.early {
		at := rand.New(rand.NewPCG(seed, 2)).Uint64N(all)
		waitFor(t, func() bool { return l.out.Load() >= at })
	} else {
		waitFor(t, func() bool { return l.out.Load() == all }) // nothing lost, nothing left behind
	}
	if c.early {
		require.NoError(t, d.Close())
	}
	work.Wait()
	stream.Stop()
	done.Store(true)
	admin.Wait()
	require.NoError(t, d.Close())
	onCQ := 0
	for buf := make([]hwcq.WC, 8); ; {
		n := cq.Poll(buf)
		if n == 0 {
			break
		}
		onCQ += n
	}
	in := cq.Stats().Completions
	for _, n := range posted {
		in += n
	}
	st := d.Stats()
	require.Equal(t, in, l.out.Load()+uint64(onCQ), "accepted and seen; %+v", st)
	require.Equal(t, st.Posted+st.Polled, st.Delivered+st.Dequeued+st.Leftover, "%+v", st)
	require.Equal(t, st.Delivered+st.Dequeued+st.Leftover, l.out.Load())
}

// An upcall that posts to itself for ever does not keep a CQ waiting.
func TestSelfPostStarvesNoCQ(t *testing.T) {
	e := newTestEngine(t, Config{})
	cq := newTestCQ(t, mock.Config{})
	var seen atom.Bool
	d, err := e.NewEVD(EVDConfig{
		Streams: Software | DTO, CQs: []hwcq.CQ{cq}, Mode: ModeEvent, Policy: SingleInstance, Batch: 1,
		Upcall: func(u *Upcall) {
			if u.Events()[0].Stream == DTO {
				seen.Store(true)
			} else if err := u.Post(Event{}); err != nil && !errors.Is(err, ErrClosed) {
				t.Error(err)
			}
		},
	})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	waitFor(t, func() bool { return d.Stats().Upcalls > 10 })
	_, err = cq.Complete(hwcq.WC{}, false)
	require.NoError(t, err)
	waitFor(t, seen.Load)
	require.NoError(t, d.Close())
}
