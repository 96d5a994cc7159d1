package engine

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// The whole soak has everything at once: EVDs with upcalls and EVDs on a CNO, with
// CQs of their own and on a shared one, software posts that spill; and a thread that
// resizes, switches modes, changes policies, detaches and attaches, leaves and joins,
// closes and opens again, at random. What producers were told is accepted is compared
// with what came out, event by event.
const (
	wholeEvents = 200_000 // a round
	wholeSeats  = 4
	wholeQPs    = 4 // on the shared CQ: two for each of the last two seats
)

// wholeSeat is one EVD after the other.
type wholeSeat struct {
	n       int
	lock    sync.Mutex // nobody leaves a shared CQ while a completion is made
	life    atom.Pointer[wholeLife]
	cq      *mock.CQ // of its own; nil: shared
	cno     bool     // on the CNO, or upcalls
	spill   bool
	qps     []uint32
	changes [6]int // owner: the changer
}

// wholeLife is an EVD and what it has joined with.
type wholeLife struct {
	d       *EVD
	credits []*Credits
	out     atom.Uint64 // events of it that were seen
}

// wholeSource is a producer: what is its number, and which of its events came.
type wholeSource struct {
	seen []atom.Uint64 // a bit an event
	out  atom.Uint64
	done atom.Uint64 // accepted
}

type wholeSoak struct {
	t      *testing.T
	g      *rand.Rand // owner: the changer
	e      *Engine
	cno    *CNO
	shared *SharedCQ
	sharCQ *mock.CQ
	seats  [wholeSeats]*wholeSeat
	each   uint64
	known  sync.Map  // *EVD -> *wholeLife
	stop   atom.Bool // no more waiting
	from   []*wholeSource
	lives  []*wholeLife // owner: the changer
}

// TestWholeSoak is the whole soak. EVD_SOAK and EVD_SEED as for TestISERSoak.
func TestWholeSoak(t *testing.T) {
	total, err := soakNumber("EVD_SOAK", 3*wholeEvents)
	require.NoError(t, err)
	seed := uint64(1)
	if os.Getenv("EVD_SOAK") != "" {
		seed = rand.Uint64()
	}
	seed, err = soakNumber("EVD_SEED", seed)
	require.NoError(t, err)
	t.Logf("EVD_SEED=%d", seed)
	for round := range (total + wholeEvents - 1) / wholeEvents {
		procs := []int{2, 1, 4}[round%3]
		ok := t.Run(strconv.FormatUint(round+1, 10)+"/"+strconv.Itoa(procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			newWholeSoak(t, rand.New(rand.NewPCG(seed, round)), procs).run()
		})
		if !ok {
			t.Fatalf("EVD_SEED=%d", seed)
		}
	}
}

func newWholeSoak(t *testing.T, g *rand.Rand, procs int) *wholeSoak {
	faults := mock.Faults{SpuriousEvent: mock.Rule{Prob: 0.001}, DuplicateEvent: mock.Rule{Prob: 0.01}, LoseEvent: mock.Rule{Prob: 0.001}}
	s := &wholeSoak{
		t: t, g: g,
		e: newTestEngine(t, Config{Workers: 1 + g.IntN(3), Watchdog: 2 * time.Millisecond, Priority: g.IntN(2) == 0}),
	}
	cq := func() *mock.CQ {
		return newTestCQ(t, mock.Config{Depth: 256, Seed: g.Uint64(), FirstIndex: g.Uint32(), Faults: faults})
	}
	var err error
	s.cno, err = s.e.NewCNO(CNOConfig{Priority: g.IntN(2) == 0})
	require.NoError(t, err)
	s.sharCQ = cq()
	s.shared, err = s.e.NewSharedCQ(SharedCQConfig{CQ: s.sharCQ, Mode: Mode(g.IntN(2)), Batch: 1 + g.IntN(32)})
	require.NoError(t, err)
	for i := range s.seats {
		w := &wholeSeat{n: i, cno: i%2 == 1, spill: g.IntN(2) == 0}
		if i < 2 {
			w.cq = cq()
		} else {
			w.qps = []uint32{uint32(2*i - 3), uint32(2*i - 2)} // 1, 2 and 3, 4
		}
		s.seats[i] = w
	}
	s.each = wholeEvents / (2*wholeSeats + wholeQPs - 2)
	for range 2*wholeSeats + wholeQPs - 2 { // a poster each, a CQ for two, four QPs
		s.from = append(s.from, &wholeSource{seen: make([]atom.Uint64, s.each/64+1)})
	}
	return s
}

// open makes the next EVD of a seat.
func (s *wholeSoak) open(w *wholeSeat) {
	g := s.g
	l := &wholeLife{}
	cfg := EVDConfig{
		Streams: DTO | Software, Capacity: []int{7, 64, 300}[g.IntN(3)], Batch: []int{1, 5, 16}[g.IntN(3)],
		Budget: 16, Weight: 1 + g.IntN(3),
		Dispatch:  []Dispatch{DispatchAuto, DispatchQueued, DispatchInline}[g.IntN(3)],
		Mode:      Mode(g.IntN(2)),
		Upcall:    func(u *Upcall) { s.take(l, u.Events()) },
		Leftovers: func(evs []Event) { s.take(l, evs) },
	}
	if w.spill {
		cfg.Overflow, cfg.SpillLimit = OverflowSpill, 1+g.IntN(100)
	}
	if w.cq != nil {
		cfg.CQs = []hwcq.CQ{w.cq}
	}
	d, err := s.e.NewEVD(cfg)
	require.NoError(s.t, err)
	l.d = d // upcalls are disabled until it is there
	s.known.Store(d, l)
	s.join(w, l)
	s.lives = append(s.lives, l)
	w.life.Store(l)
	if w.cno {
		err = d.ModifyCNO(s.cno)
	} else {
		err = d.ModifyUpcallAny(SingleInstance, Same)
	}
	require.NoError(s.t, err)
}

func (s *wholeSoak) join(w *wholeSeat, l *wholeLife) {
	l.credits = nil
	for _, qp := range w.qps {
		c, err := l.d.Join(s.shared, qp, 1+s.g.IntN(60))
		require.NoError(s.t, err)
		l.credits = append(l.credits, c)
	}
}

// take notes events: none comes twice, and each comes from the EVD that has it.
func (s *wholeSoak) take(l *wholeLife, evs []Event) {
	for i := range evs {
		p, seq := evs[i].WRID>>56, evs[i].WRID<<8>>8
		if p >= uint64(len(s.from)) || seq == 0 || seq > s.each || evs[i].EVD != l.d.ID() {
			s.t.Errorf("not an event of ours: %+v", evs[i])
			return
		}
		f := s.from[p]
		if bit := uint64(1) << (seq % 64); f.seen[seq/64].Or(bit)&bit != 0 {
			s.t.Errorf("producer %d: %d came twice", p, seq)
		}
		f.out.Add(1)
	}
	l.out.Add(uint64(len(evs)))
}

// poster posts to whatever EVD has the seat.
func (s *wholeSoak) poster(p uint64, w *wholeSeat) {
	f := s.from[p]
	for seq := uint64(1); seq <= s.each && !s.t.Failed(); {
		d := w.life.Load().d
		switch err := d.Post(Event{WRID: p<<56 | seq}); {
		case err == nil:
			f.done.Store(seq)
			if seq++; seq%128 == 0 {
				for f.out.Load()+1 < seq && w.life.Load().d == d && !s.t.Failed() { // let it run dry
					runtime.Gosched()
				}
			}
		case errors.Is(err, ErrFull), errors.Is(err, ErrClosed):
			runtime.Gosched()
		default:
			s.t.Errorf("post: %v", err)
		}
	}
}

// hardware stores completions on a seat's own CQ, as they find room.
func (s *wholeSoak) hardware(p uint64, w *wholeSeat) {
	f := s.from[p]
	depth := uint64(w.cq.Capabilities().Depth)
	for seq := uint64(1); seq <= s.each && !s.t.Failed(); {
		if seq-1-f.out.Load() >= depth {
			runtime.Gosched()
			continue
		}
		if ok, err := w.cq.Complete(hwcq.WC{WRID: p<<56 | seq}, false); err != nil || !ok {
			s.t.Errorf("completion %d: %v", seq, err)
		}
		f.done.Store(seq)
		seq++
	}
}

// queuePair completes requests on the shared CQ, one for each credit.
func (s *wholeSoak) queuePair(p uint64, w *wholeSeat, i int) {
	f := s.from[p]
	for seq := uint64(1); seq <= s.each && !s.t.Failed(); {
		// Under the lock nobody leaves: a queue pair is destroyed after its work.
		w.lock.Lock()
		err := w.life.Load().credits[i].Acquire(1)
		if err == nil {
			if ok, cerr := s.sharCQ.Complete(hwcq.WC{WRID: p<<56 | seq, QPNum: w.qps[i]}, false); cerr != nil || !ok {
				s.t.Errorf("completion %d: %v", seq, cerr)
			}
			f.done.Store(seq)
			seq++
		}
		w.lock.Unlock()
		if err != nil {
			if !errors.Is(err, ErrNoCredit) {
				s.t.Errorf("credit: %v", err)
			}
			runtime.Gosched()
		}
	}
}

// waiter serves the CNO, and seldom drains all.
func (s *wholeSoak) waiter(g *rand.Rand) {
	w, err := s.cno.NewWaiter()
	require.NoError(s.t, err)
	buf := make([]Event, 32)
	for !s.stop.Load() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(50+g.IntN(500))*time.Microsecond)
		d, err := w.Wait(ctx)
		cancel()
		switch {
		case errors.Is(err, context.DeadlineExceeded):
			continue
		case err != nil:
			s.t.Errorf("wait: %v", err)
			return
		}
		l := s.lifeOf(d)
		n, err := d.Dequeue(buf[:1+g.IntN(len(buf))])
		if l != nil {
			s.take(l, buf[:n])
		} else if n > 0 {
			s.t.Errorf("%d events of an EVD that nobody knows", n)
		}
		if err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrClosed) {
			s.t.Errorf("dequeue: %v", err)
		}
		if g.IntN(2) == 0 {
			if err := w.Done(d); err != nil && !errors.Is(err, ErrNotOwner) && !errors.Is(err, ErrClosed) {
				s.t.Errorf("done: %v", err)
			}
		}
	}
	require.NoError(s.t, w.Close())
}

// lifeOf finds the life of an EVD that a waiter was given.
func (s *wholeSoak) lifeOf(d *EVD) *wholeLife {
	l, _ := s.known.Load(d)
	life, _ := l.(*wholeLife)
	return life
}

// change does one thing to one seat.
func (s *wholeSoak) change(w *wholeSeat) {
	g := s.g
	d := w.life.Load().d
	op := g.IntN(len(w.changes))
	var err error
	switch op {
	case 0:
		if err = d.Resize(1 + g.IntN(400)); errors.Is(err, ErrTooSmall) {
			err = nil
		}
	case 1:
		m := Mode(g.IntN(2))
		if w.cq == nil {
			err = s.shared.SetMode(m)
		} else {
			err = d.SetMode(m)
		}
	case 2:
		if w.cno {
			if err = d.ModifyCNO(nil); err == nil {
				for range g.IntN(50) {
					runtime.Gosched()
				}
				err = d.ModifyCNO(s.cno)
			}
			break
		}
		if err = d.ModifyUpcall([]Policy{Disable, Teardown}[g.IntN(2)], Same); err == nil {
			for range g.IntN(50) {
				runtime.Gosched()
			}
			err = d.ModifyUpcallAny([]Policy{SingleInstance, ManyLimit(2), Many}[g.IntN(3)], Same)
		}
	case 3:
		if w.cq != nil {
			return
		}
		// Another queue pair of the same number, when the old one's work is done.
		l := w.life.Load()
		w.lock.Lock()
		defer w.lock.Unlock()
		i := g.IntN(len(l.credits))
		for c := l.credits[i]; c.Free() < c.Limit() && !s.t.Failed(); {
			runtime.Gosched()
		}
		require.NoError(s.t, l.credits[i].Close())
		l.credits[i], err = d.Join(s.shared, w.qps[i], 1+g.IntN(60))
	case 4, 5:
		if g.IntN(4) > 0 {
			return
		}
		w.lock.Lock()
		defer w.lock.Unlock()
		if w.cq == nil { // what is on the CQ still would belong to nobody; what is in a port is left over
			for s.sharCQ.Pending() && !s.t.Failed() || s.shared.holds.Load() {
				runtime.Gosched()
			}
		}
		err = d.Close()
		s.open(w)
	}
	w.changes[op]++
	if err != nil {
		s.t.Errorf("seat %d, change %d: %v", w.n, op, err)
	}
}

func (s *wholeSoak) total() (accepted, out uint64) {
	for _, f := range s.from {
		accepted += f.done.Load()
		out += f.out.Load()
	}
	return accepted, out
}

func (s *wholeSoak) run() {
	for _, w := range s.seats {
		s.open(w)
	}
	var producers, waiters sync.WaitGroup
	p := uint64(0)
	start := func(produce func(p uint64)) {
		n := p
		producers.Go(func() { produce(n) })
		p++
	}
	for _, w := range s.seats {
		start(func(p uint64) { s.poster(p, w) })
		if w.cq != nil {
			start(func(p uint64) { s.hardware(p, w) })
		}
		for i := range w.qps {
			start(func(p uint64) { s.queuePair(p, w, i) })
		}
	}
	require.Len(s.t, s.from, int(p))
	for range 3 {
		g := rand.New(rand.NewPCG(s.g.Uint64(), 0))
		waiters.Go(func() { s.waiter(g) })
	}
	var made atom.Bool
	go func() { producers.Wait(); made.Store(true) }()
	for !made.Load() && !s.t.Failed() {
		s.change(s.seats[s.g.IntN(wholeSeats)])
		for range s.g.IntN(30) {
			runtime.Gosched()
		}
	}
	producers.Wait()
	waitFor(s.t, func() bool { accepted, out := s.total(); return out == accepted || s.t.Failed() })
	s.stop.Store(true)
	waiters.Wait()
	for _, w := range s.seats {
		require.NoError(s.t, w.life.Load().d.Close())
	}
	s.finish()
}

// finish compares: every event came out, and of each EVD those that it had accepted.
func (s *wholeSoak) finish() {
	st := s.shared.Stats()
	require.Zero(s.t, st.Unrouted)
	require.Zero(s.t, st.QPs)
	require.NoError(s.t, s.shared.Close())
	require.NoError(s.t, s.cno.Close())
	for p, f := range s.from {
		require.Equal(s.t, s.each, f.out.Load(), "producer %d", p)
	}
	var sum Stats
	for _, l := range s.lives {
		st := l.d.Stats()
		require.Equal(s.t, l.out.Load(), st.Posted+st.Polled, "accepted by %s", l.d.Name())
		require.Equal(s.t, l.out.Load(), st.Delivered+st.Dequeued+st.Leftover, "came out of %s", l.d.Name())
		sum.add(&st)
	}
	require.Zero(s.t, s.sharCQ.Stats().Overruns)
	changes := [6]int{}
	for _, w := range s.seats {
		for i, n := range w.changes {
			changes[i] += n
		}
		if w.cq != nil {
			require.Zero(s.t, w.cq.Stats().Overruns)
		}
	}
	s.t.Logf("%d EVDs; changes: size %d, mode %d, policy or CNO %d, queue pair %d, closed %d; %d upcalls, %d notified, %d spilled, %d left over, %d lost interrupts",
		len(s.lives), changes[0], changes[1], changes[2], changes[3], changes[4]+changes[5], sum.Upcalls, sum.Notified, sum.Spilled, sum.Leftover, sum.LostInterrupts)
}
