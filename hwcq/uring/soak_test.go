//go:build linux && (amd64 || arm64)

package uring_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
	"github.com/evdengine/evd/internal/atom"
)

const (
	soakTotal = 200_000 // requests
	soakRound = 10_000  // of them on one ring
	soakHang  = 60 * time.Second
)

func soakNumber(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	s := os.Getenv(name)
	if s == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(s, 10, 64)
	require.NoError(t, err, name)
	return n
}

// TestUringSoak sends requests through rings of both shapes and the engine: EVDs with a ring of their own
// and on a shared CQ, while somebody changes modes and policies, tears
// upcalls down, dequeues, waits, closes and opens again, at random. Each
// request that Submit took comes out exactly once: in an upcall, by Dequeue or Wait, in
// Leftovers, or from the ring after the EVD is gone. EVD_SOAK is how many requests,
// EVD_SEED repeats a run as far as the scheduler does.
func TestUringSoak(t *testing.T) {
	uring.HaveRing(t)
	total := uint64(soakTotal)
	if testing.Short() {
		total /= 20
	}
	total = soakNumber(t, "EVD_SOAK", total)
	seed := uint64(1)
	if os.Getenv("EVD_SOAK") != "" {
		seed = rand.Uint64()
	}
	seed = soakNumber(t, "EVD_SEED", seed)
	var sum soakCount
	for round := uint64(0); sum.accepted.Load() < total; round++ {
		procs := []int{2, 1, 4}[round%3]
		g := rand.New(rand.NewPCG(seed, round))
		ok := t.Run(fmt.Sprintf("%d/%d", round+1, procs), func(t *testing.T) {
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			s := newSoak(t, g, &sum)
			s.run()
		})
		if !ok {
			t.Fatalf("EVD_SEED=%d", seed)
		}
	}
	t.Logf("EVD_SEED=%d: %d accepted: %d in upcalls, %d dequeued or waited for, %d left over, %d on the ring; %d EVDs",
		seed, sum.accepted.Load(), sum.upcall.Load(), sum.dequeued.Load(), sum.leftover.Load(), sum.onRing.Load(), sum.evds.Load())
	require.Equal(t, sum.accepted.Load(), sum.upcall.Load()+sum.dequeued.Load()+sum.leftover.Load()+sum.onRing.Load())
	for _, way := range []*atom.Uint64{&sum.upcall, &sum.dequeued, &sum.onRing} { // leftovers need a pump at the right moment
		require.NotZero(t, way.Load(), "a way that nothing took")
	}
}

// soakCount counts requests by where they came out.
type soakCount struct{ accepted, upcall, dequeued, leftover, onRing, evds atom.Uint64 }

// soak is a round: one ring.
type soak struct {
	t      *testing.T
	g      *rand.Rand // owner: the changer
	sum    *soakCount
	shape  uring.Shape
	ring   *uring.Ring
	e      *engine.Engine
	shared *engine.SharedCQ // nil: one seat, whose EVD has the ring to itself
	seats  []*soakSeat

	zero, a, b int // files: /dev/zero, and connected sockets
	memory     []byte

	next           atom.Uint64 // the number of the next request
	accepted, seen []atom.Uint64
	in, out        atom.Uint64
	stop           atom.Bool
}

// soakSeat is one EVD after the other.
type soakSeat struct {
	qp   uint32
	life atom.Pointer[soakLife]
	lock sync.Mutex // with a shared CQ: nothing is submitted while the EVD is changed
}

type soakLife struct {
	d       *engine.EVD
	credits *engine.Credits // nil without a shared CQ
}

func newSoak(t *testing.T, g *rand.Rand, sum *soakCount) *soak {
	s := &soak{t: t, g: g, sum: sum, shape: uring.Shape(g.IntN(2))}
	cfg := uring.Config{Entries: 8 << g.IntN(6), Shape: s.shape}
	cfg.Depth = cfg.Entries << g.IntN(3)
	cfg.CoopTaskrun = s.shape == uring.Portable && g.IntN(3) == 0
	var err error
	s.ring, err = uring.Open(cfg)
	uring.Need(t, err)
	// Nobody looks for lost interrupts: what is not told of stays where it is, and
	// the soak hangs.
	s.e, err = engine.New(engine.Config{Workers: 1 + g.IntN(3), Watchdog: engine.NoWatchdog})
	require.NoError(t, err)
	s.memory, err = s.ring.Alloc(4096)
	require.NoError(t, err)
	s.zero, err = unix.Open("/dev/zero", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	s.a, s.b = pair[0], pair[1]
	s.accepted, s.seen = make([]atom.Uint64, soakRound/64+1), make([]atom.Uint64, soakRound/64+1)
	n := 1
	if g.IntN(3) == 0 {
		n = 3
		s.shared, err = s.e.NewSharedCQ(engine.SharedCQConfig{CQ: s.ring, Mode: s.mode(), Batch: 1 + g.IntN(32)})
		require.NoError(t, err)
	}
	for i := range n {
		w := &soakSeat{qp: uint32(i + 1)}
		s.seats = append(s.seats, w)
		s.open(w)
	}
	return s
}

// mode is a random one; spinning is slow where there are few CPUs.
func (s *soak) mode() engine.Mode {
	return []engine.Mode{engine.ModeEvent, engine.ModeEvent, engine.ModeAdaptive, engine.ModeSpin}[s.g.IntN(4)]
}

func (s *soak) open(w *soakSeat) {
	g, l := s.g, &soakLife{}
	cfg := engine.EVDConfig{
		Streams: engine.DTO, Mode: s.mode(),
		Capacity: []int{7, 64, 300}[g.IntN(3)], Batch: []int{1, 5, 16}[g.IntN(3)], Budget: 16,
		Dispatch:  []engine.Dispatch{engine.DispatchAuto, engine.DispatchInline, engine.DispatchQueued}[g.IntN(3)],
		Upcall:    func(u *engine.Upcall) { s.upcall(u, l) },
		Leftovers: func(evs []engine.Event) { s.take(l, evs, &s.sum.leftover) },
	}
	if s.shared == nil {
		cfg.CQs = []hwcq.CQ{s.ring}
	}
	d, err := s.e.NewEVD(cfg)
	require.NoError(s.t, err)
	l.d = d // upcalls are disabled until it is there
	s.sum.evds.Add(1)
	if s.shared != nil {
		l.credits, err = d.Join(s.shared, w.qp, s.ring.Capabilities().Depth/4)
		require.NoError(s.t, err)
	}
	w.life.Store(l)
	s.enable(d)
}

func (s *soak) enable(d *engine.EVD) {
	p := []engine.Policy{engine.SingleInstance, engine.NotificationOnly, engine.ManyLimit(2), engine.Many}[s.g.IntN(4)]
	if err := d.ModifyUpcallAny(p, engine.Same); err != nil {
		s.t.Errorf("enable: %v", err)
	}
}

func (s *soak) upcall(u *engine.Upcall, l *soakLife) {
	if len(u.Events()) > 0 {
		s.take(l, u.Events(), &s.sum.upcall)
		return
	}
	var buf [8]engine.Event // NotificationOnly
	n, err := u.Dequeue(buf[:])
	s.take(l, buf[:n], &s.sum.dequeued)
	if err != nil && !errors.Is(err, engine.ErrBusy) && !errors.Is(err, engine.ErrClosed) {
		s.t.Errorf("dequeue: %v", err)
	}
}

func (s *soak) take(l *soakLife, evs []engine.Event, way *atom.Uint64) {
	for i := range evs {
		if evs[i].EVD != l.d.ID() {
			s.t.Errorf("an event of another EVD: %+v", evs[i])
		}
		s.took(evs[i].WC(), way)
	}
}

// took takes note of a completion.
func (s *soak) took(wc hwcq.WC, way *atom.Uint64) {
	if wc.WRID >= soakRound || wc.Flags&uring.FlagMore != 0 {
		s.t.Errorf("no completion of ours: %+v", wc)
		return
	}
	if _, err := uring.Result(wc); err != nil && !errors.Is(err, unix.ECANCELED) {
		s.t.Errorf("request %d, %v: %v", wc.WRID, uring.OpOf(wc), err)
	}
	if bit := uint64(1) << (wc.WRID % 64); s.seen[wc.WRID/64].Or(bit)&bit != 0 {
		s.t.Errorf("request %d completed twice", wc.WRID)
	}
	s.out.Add(1)
	way.Add(1)
}

// batch makes one or a few requests.
func (s *soak) batch(g *rand.Rand, reqs []uring.Request) []uring.Request {
	reqs = reqs[:0]
	for range 1 + g.IntN(12) {
		switch k := g.IntN(20); {
		case k < 10:
			reqs = append(reqs, uring.Nop())
		case k < 12:
			q := uring.Nop()
			q.Async = true
			reqs = append(reqs, q)
		case k < 14:
			reqs = append(reqs, uring.Timeout(time.Duration(g.IntN(300))*time.Microsecond))
		case k < 16:
			q := uring.Nop()
			q.Link = uring.LinkNext + uring.Link(g.IntN(2))
			reqs = append(reqs, q, uring.Nop())
		case k < 17:
			reqs = append(reqs, uring.Read(s.zero, s.memory[:64], 0))
		case k < 18:
			reqs = append(reqs, uring.Read(s.zero, make([]byte, 100), 0))
		default: // a receive that waits, for a send of somebody
			reqs = append(reqs, uring.Recv(s.a, s.memory[64:65], 0), uring.Send(s.b, s.memory[128:129], 0))
		}
	}
	return reqs
}

// submitter submits to whatever EVD has the seat, until the round is over.
func (s *soak) submitter(w *soakSeat, g *rand.Rand) {
	var reqs []uring.Request
	for !s.stop.Load() && !s.t.Failed() {
		reqs = s.batch(g, reqs)
		last := s.next.Add(uint64(len(reqs)))
		if last > soakRound {
			return
		}
		for i := range reqs {
			reqs[i].WRID = last - uint64(len(reqs)-i)
		}
		if !s.submit(w, reqs) {
			return
		}
		for range g.IntN(4) {
			runtime.Gosched()
		}
	}
}

// submit submits requests, which nobody else may be able to take right now, and answers
// false if nothing can be submitted any more.
func (s *soak) submit(w *soakSeat, reqs []uring.Request) bool {
	for i := range reqs {
		reqs[i].QPNum = w.qp
	}
	for len(reqs) > 0 && !s.t.Failed() {
		w.lock.Lock()
		n, err := s.submitNow(w.life.Load().credits, reqs)
		w.lock.Unlock()
		for i := range reqs[:n] {
			s.accepted[reqs[i].WRID/64].Or(1 << (reqs[i].WRID % 64))
		}
		s.in.Add(uint64(n))
		reqs = reqs[n:]
		switch {
		case errors.Is(err, hwcq.ErrClosed):
			return false
		case err != nil && !errors.Is(err, hwcq.ErrFull) && !errors.Is(err, engine.ErrNoCredit):
			s.t.Errorf("submit: %v", err)
		case err != nil:
			runtime.Gosched()
			if s.stop.Load() && s.shared == nil {
				return false
			}
		}
	}
	return true
}

// submitNow has a credit for each request, if it needs any.
func (s *soak) submitNow(c *engine.Credits, reqs []uring.Request) (n int, err error) {
	if c == nil {
		return s.ring.Submit(reqs)
	}
	k := min(len(reqs), c.Limit())
	for k < len(reqs) && k > 0 && reqs[k-1].Link != uring.LinkNone {
		k-- // no half of a chain
	}
	if err := c.Acquire(k); err != nil {
		return 0, err
	}
	n, err = s.ring.Submit(reqs[:k])
	if n < k {
		err = errors.Join(err, c.Release(k-n))
	}
	return n, err
}
