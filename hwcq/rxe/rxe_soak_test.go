//go:build linux && (amd64 || arm64)

package rxe

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

const (
	soakTotal = 1_000_000
	soakShort = 15_000
	soakRound = 25_000 // completions on one set of CQs
	soakSeats = 3      // EVDs with a CQ each
	soakPairs = 4
	soakDepth = 256 // of each queue
	soakHang  = 5 * patience
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

// TestRXESoak sends messages between queue pairs whose CQs feed EVDs, while somebody
// changes policies, modes and sizes, tears upcalls down, dequeues, waits, and closes EVDs
// and opens others on the same CQs, with every kind of arming; and while queue pairs are
// put into error in the middle of it, drained, closed and opened. Each work request is
// accounted for (half.end), and so is the order wherever only one consumer is at work. No
// watchdog helps: what is not told of hangs the soak. EVD_SOAK is how many completions,
// EVD_SEED repeats a run as far as the schedulers do.
func TestRXESoak(t *testing.T) {
	d := needRXE(t)
	total := uint64(soakTotal)
	if testing.Short() {
		total = soakShort
	}
	total = soakNumber(t, "EVD_SOAK", total)
	seed := soakNumber(t, "EVD_SEED", 1)
	var sum soakSum
	began := time.Now()
	for round := uint64(0); sum.completions.Load() < total; round++ {
		done := sum.completions.Load()
		s := newSoak(t, d, rand.New(rand.NewPCG(seed, round)), &sum, done+min(soakRound, total-done))
		s.run()
		if t.Failed() {
			t.Fatalf("round %d, EVD_SEED=%d", round, seed)
		}
		if round%20 == 19 {
			t.Logf("%v: %d completions", time.Since(began).Round(time.Second), sum.completions.Load())
		}
	}
	t.Logf("EVD_SEED=%d: %d completions in %v: %d received, %d sent, %d flushed; %d sent unsignaled; by upcall %d, dequeue or wait %d, left over %d; %d EVDs, %d connections",
		seed, sum.completions.Load(), time.Since(began).Round(time.Second), sum.received.Load(), sum.sent.Load(), sum.flushed.Load(), sum.silent.Load(),
		sum.upcall.Load(), sum.dequeued.Load(), sum.leftover.Load(), sum.evds.Load(), sum.pairs.Load())
	require.Equal(t, sum.completions.Load(), sum.received.Load()+sum.sent.Load()+sum.flushed.Load())
	require.Equal(t, sum.completions.Load(), sum.upcall.Load()+sum.dequeued.Load()+sum.leftover.Load())
	for _, n := range []*atomic.Uint64{&sum.received, &sum.sent, &sum.flushed, &sum.silent, &sum.upcall, &sum.dequeued} {
		require.NotZero(t, n.Load(), "a way that nothing took")
	}
}

// soakSum counts.
type soakSum struct {
	completions, received, sent, flushed, silent atomic.Uint64
	upcall, dequeued, leftover                   atomic.Uint64
	evds, pairs                                  atomic.Uint64
}

// soak is a round.
type soak struct {
	t     *testing.T
	d     *Device
	sum   *soakSum
	e     *engine.Engine
	g     *engine.Poller
	ch    *Channel
	pd    *PD
	seats []*soakSeat
	goal  uint64 // completions, where the round ends

	mu     sync.RWMutex
	halves map[uint32]*half // by the upper half of WRIDs
	nextID uint32

	posters sync.WaitGroup
	ended   atomic.Bool // the posters have
}

// half is one direction of a connection: sends of one queue pair, which the other one
// receives.
//
// Invariant: posted >= seen; a receive's slot of the buffer is its own until it was seen.
type half struct {
	s  *soak
	id uint32

	mem      []byte // of the receiver, 8 bytes a slot
	mu       sync.Mutex
	recvs    int    // owner: the poster; posted
	signaled []bool // of sends, from 1. Writer: the poster, under mu
	recvSeen int    // owner: mu
	sendLast int    // owner: mu; the last that was seen
	got      int    // owner: mu; receives that succeeded
	sendSeen []hwcq.Status
	sendHas  []bool
	recvHas  []bool
	flushing bool // owner: mu; receives are being flushed
}

// WRIDs are id, a bit for sends, and a number that begins with 1.
const soakSend = 1 << 31

func (h *half) wrid(n int, send bool) uint64 {
	w := uint64(h.id)<<32 | uint64(n)
	if send {
		w |= soakSend
	}
	return w
}

// soakSeat is a CQ and one EVD after the other.
type soakSeat struct {
	s       *soak
	rnd     *rand.Rand // owner: the driver
	cq      *CQ
	d       *engine.EVD
	ordered bool // only one consumer at a time in this EVD's life
}

func newSoak(t *testing.T, d *Device, rnd *rand.Rand, sum *soakSum, goal uint64) *soak {
	s := &soak{t: t, d: d, sum: sum, halves: map[uint32]*half{}, goal: goal}
	var err error
	s.e, err = engine.New(engine.Config{Workers: 1 + rnd.IntN(3), Watchdog: engine.NoWatchdog})
	require.NoError(t, err)
	s.g, err = s.e.NewPoller(engine.PollerConfig{})
	require.NoError(t, err)
	s.ch, err = d.OpenChannel()
	require.NoError(t, err)
	s.pd, err = d.OpenPD()
	require.NoError(t, err)
	for range soakSeats {
		c := CQConfig{Depth: 2 * soakPairs * 3 * soakDepth}
		if w := WaitMethod(rnd.IntN(4)); w == WaitAuto {
			c.Channel = s.ch
		} else {
			c.Wait = w
		}
		cq, err := d.OpenCQ(c)
		require.NoError(t, err)
		s.seats = append(s.seats, &soakSeat{s: s, cq: cq, rnd: rand.New(rand.NewPCG(rnd.Uint64(), 2))})
	}
	for range soakPairs {
		rnd := rand.New(rand.NewPCG(rnd.Uint64(), 3))
		s.posters.Go(func() { s.post(rnd) })
	}
	return s
}

func (s *soak) run() {
	var drivers sync.WaitGroup
	for _, w := range s.seats {
		drivers.Go(w.drive)
	}
	s.posters.Wait()
	s.ended.Store(true)
	drivers.Wait()
	require.NoError(s.t, s.e.Close())
	for _, w := range s.seats {
		require.False(s.t, w.cq.Pending(), "a completion of nobody")
		require.Zero(s.t, w.cq.Overruns())
		require.NoError(s.t, w.cq.Close())
		require.Zero(s.t, w.cq.unacked)
	}
	require.Zero(s.t, s.ch.Stray())
	require.NoError(s.t, s.ch.Close())
	require.NoError(s.t, s.pd.Close())
}

// post has one connection after the other, until the round is over.
func (s *soak) post(rnd *rand.Rand) {
	buf, err := OpenBuffer(2 * soakDepth * 8)
	require.NoError(s.t, err)
	mr, err := s.pd.Reg(buf, LocalWrite)
	require.NoError(s.t, err)
	for s.sum.completions.Load() < s.goal && !s.t.Failed() {
		s.connection(rnd, buf, mr)
	}
	if err := errors.Join(mr.Close(), buf.Close()); err != nil {
		s.t.Error(err)
	}
}

func (s *soak) newHalf(mem []byte) *half {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nextID++
	h := &half{s: s, id: s.nextID, mem: mem, signaled: make([]bool, 1), sendSeen: make([]hwcq.Status, 1), sendHas: make([]bool, 1), recvHas: make([]bool, 1)}
	s.halves[h.id] = h
	return h
}

// connection is the life of two queue pairs.
func (s *soak) connection(rnd *rand.Rand, buf *Buffer, mr *MR) {
	check := func(err error) {
		if err != nil {
			s.t.Error(err)
			runtime.Goexit()
		}
	}
	s.sum.pairs.Add(1)
	var qp [2]*QP
	var to [2]*half // to[i] is received by qp[i]
	for i := range qp {
		var err error
		qp[i], err = s.pd.OpenQP(QPConfig{
			SendCQ: s.seats[rnd.IntN(soakSeats)].cq, RecvCQ: s.seats[rnd.IntN(soakSeats)].cq,
			SendDepth: soakDepth + 1, RecvDepth: soakDepth, Inline: 8,
		})
		check(err)
		to[i] = s.newHalf(buf.Bytes()[i*soakDepth*8:][:soakDepth*8])
	}
	check(ConnectPair(qp[0], qp[1], ConnectConfig{}))
	most := 50 + rnd.IntN(3000)
	oneWay := rnd.IntN(4) == 0
	for !s.t.Failed() && len(to[1].signaled) <= most && s.sum.completions.Load() < s.goal {
		moved := false
		for i := range qp {
			moved = to[i].postRecvs(qp[i], mr, i, rnd) || moved
		}
		for i := range qp {
			if i == 1 && oneWay {
				break
			}
			moved = to[1-i].postSends(qp[i], rnd, false) || moved
		}
		if !moved {
			time.Sleep(100 * time.Microsecond)
		}
	}
	if rnd.IntN(3) == 0 { // let it come to rest
		for _, h := range to {
			h.until("messages", func() bool { return h.got == len(h.signaled)-1 })
		}
	}
	for i := range qp { // each in error, then a last send, which is flushed behind all others
		check(qp[i].SetError())
		h := to[1-i]
		n := h.newSend(true)
		check(qp[i].PostSend(&SendWR{WRID: h.wrid(n, true), Op: OpSend, Flags: Signaled}))
	}
	for range rnd.IntN(30) { // what is posted now is flushed too; receives by another SetError
		for i := range qp {
			if to[i].postRecvs(qp[i], mr, i, rnd) {
				check(qp[i].SetError())
			}
			to[1-i].postSends(qp[i], rnd, true)
		}
		time.Sleep(50 * time.Microsecond)
	}
	for i, h := range to {
		h.until("flush", func() bool { return h.recvSeen == h.recvs && h.sendHas[len(h.sendHas)-1] })
		h.end()
		check(qp[i].Close())
	}
	s.mu.Lock()
	for _, h := range to {
		delete(s.halves, h.id)
	}
	s.mu.Unlock()
}

// until waits for something that must come.
func (h *half) until(what string, cond func() bool) {
	for end := time.Now().Add(soakHang); !h.s.t.Failed(); time.Sleep(200 * time.Microsecond) {
		h.mu.Lock()
		ok := cond()
		if !ok && time.Now().After(end) {
			h.s.t.Errorf("%s: hangs: %d receives, %d seen, %d succeeded; %d sends, the last seen is %d", what, h.recvs, h.recvSeen, h.got, len(h.signaled)-1, h.sendLast)
		}
		h.mu.Unlock()
		if ok {
			return
		}
	}
	runtime.Goexit()
}

func (h *half) postRecvs(qp *QP, mr *MR, part int, rnd *rand.Rand) bool {
	h.mu.Lock()
	room := min(soakDepth-(h.recvs-h.recvSeen), 1+rnd.IntN(soakDepth))
	for range room {
		h.recvHas = append(h.recvHas, false)
	}
	h.mu.Unlock()
	wrs := make([]RecvWR, room)
	for i := range wrs {
		h.recvs++
		slot := h.recvs % soakDepth
		wrs[i] = RecvWR{WRID: h.wrid(h.recvs, false), SGL: []SGE{mr.SGE((part*soakDepth+slot)*8, 8)}}
	}
	if n, err := qp.PostRecvs(wrs); err != nil || n < room {
		h.s.t.Error("receives: ", n, err)
	}
	return room > 0
}

// newSend makes the number of a send.
func (h *half) newSend(signaled bool) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.signaled = append(h.signaled, signaled)
	h.sendSeen = append(h.sendSeen, 0)
	h.sendHas = append(h.sendHas, false)
	return len(h.signaled) - 1
}

// postSends never sends more than there are receives for, nor has more outstanding than
// fit into the queue: one that is unsignaled is, until a later one has completed. What is
// to be flushed needs no receive.
func (h *half) postSends(qp *QP, rnd *rand.Rand, flush bool) bool {
	h.mu.Lock()
	sent := len(h.signaled) - 1
	room := min(soakDepth-(sent-h.sendLast), 1+rnd.IntN(soakDepth/4))
	if !flush {
		room = min(room, h.recvs-sent)
	}
	h.mu.Unlock()
	wrs := make([]SendWR, max(room, 0))
	for i := range wrs {
		signaled := i == len(wrs)-1 || rnd.IntN(3) == 0
		n := h.newSend(signaled)
		wrs[i] = SendWR{WRID: h.wrid(n, true), Op: OpSend, Flags: Inline, InlineData: le.AppendUint64(nil, uint64(n))}
		if signaled {
			wrs[i].Flags |= Signaled
		}
		if rnd.IntN(4) == 0 {
			wrs[i].Flags |= Solicited
		}
	}
	left := wrs
	for end := time.Now().Add(soakHang); len(left) > 0; {
		n, err := qp.PostSends(left)
		left = left[n:]
		if err != nil && !errors.Is(err, hwcq.ErrFull) || time.Now().After(end) {
			h.s.t.Error("sends: ", err)
			break
		}
		if len(left) > 0 { // the kernel gives slots back in its own time
			runtime.Gosched()
		}
	}
	return len(wrs) > 0
}

// see takes note of a completion. ordered says that those before it on the CQ have been
// seen.
func (h *half) see(n int, send, ordered bool, st hwcq.Status) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.s.t
	if st != hwcq.StatusSuccess && st != hwcq.StatusWRFlushErr {
		t.Errorf("%d (send: %v): %v", n, send, st)
	}
	if send {
		switch {
		case n < 1 || n >= len(h.sendHas) || h.sendHas[n]:
			t.Errorf("send %d completed twice, or was never posted", n)
			return
		case ordered && n <= h.sendLast:
			t.Errorf("send %d completed after %d", n, h.sendLast)
		case st == hwcq.StatusSuccess && !h.signaled[n]:
			t.Errorf("send %d was not signaled, and completed", n)
		}
		h.sendHas[n], h.sendSeen[n] = true, st
		h.sendLast = max(h.sendLast, n)
		h.count(&h.s.sum.sent, st)
		return
	}
	switch {
	case n < 1 || n >= len(h.recvHas) || h.recvHas[n]:
		t.Errorf("receive %d completed twice, or was never posted", n)
		return
	case ordered && n != h.recvSeen+1:
		t.Errorf("receive %d completed after %d others", n, h.recvSeen)
	case ordered && h.flushing && st == hwcq.StatusSuccess:
		t.Errorf("receive %d succeeded after one was flushed", n)
	}
	if st == hwcq.StatusSuccess {
		// Messages come in order, each once, so each has its receive's number.
		if got := le.Uint64(h.mem[n%soakDepth*8:]); got != uint64(n) {
			t.Errorf("receive %d got message %d", n, got)
		}
		h.got++
	} else {
		h.flushing = true
	}
	h.recvHas[n] = true
	h.recvSeen++
	h.count(&h.s.sum.received, st)
}

func (h *half) count(ok *atomic.Uint64, st hwcq.Status) {
	if st == hwcq.StatusSuccess {
		ok.Add(1)
	} else {
		h.s.sum.flushed.Add(1)
	}
	h.s.sum.completions.Add(1)
}

// end is the account. All receives have been seen, each once. Of the sends those up to
// some number have succeeded, of which exactly the signaled ones were seen, and all
// behind it were flushed, signaled or not; and what has succeeded was received.
func (h *half) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	first := 1 // the first that was flushed
	for first < len(h.sendHas) && !(h.sendHas[first] && h.sendSeen[first] == hwcq.StatusWRFlushErr) {
		if h.sendHas[first] != h.signaled[first] {
			h.s.t.Errorf("send %d of %d: signaled %v, seen %v", first, len(h.sendHas)-1, h.signaled[first], h.sendHas[first])
		}
		if !h.signaled[first] {
			h.s.sum.silent.Add(1)
		}
		first++
	}
	for n := first; n < len(h.sendHas); n++ {
		if !h.sendHas[n] || h.sendSeen[n] != hwcq.StatusWRFlushErr {
			h.s.t.Errorf("send %d is not flushed (seen %v, %v), and %d is", n, h.sendHas[n], h.sendSeen[n], first)
		}
	}
	if first-1 > h.got {
		h.s.t.Errorf("%d sends have succeeded, and %d were received", first-1, h.got)
	}
	if h.recvSeen != h.recvs {
		h.s.t.Errorf("%d receives, %d seen", h.recvs, h.recvSeen)
	}
}

// open gives the seat an EVD. For every kind of arming: for the next completion, for
// solicited ones, and, polling for ever, none.
func (w *soakSeat) open() {
	rnd := w.rnd
	w.ordered = rnd.IntN(2) == 0
	life := w.ordered // for upcalls that are late
	cfg := engine.EVDConfig{
		CQs: []hwcq.CQ{w.cq}, Streams: engine.DTO, Mode: w.mode(), SolicitedOnly: rnd.IntN(4) == 0,
		Capacity: []int{7, 64, 300}[rnd.IntN(3)], Batch: []int{1, 5, 16}[rnd.IntN(3)], Budget: []int{0, 16, 64}[rnd.IntN(3)],
		Dispatch:  []engine.Dispatch{engine.DispatchAuto, engine.DispatchInline, engine.DispatchQueued}[rnd.IntN(3)],
		Upcall:    func(u *engine.Upcall) { w.upcall(u, life) },
		Leftovers: func(evs []engine.Event) { w.take(evs, life, &w.s.sum.leftover) },
	}
	if rnd.IntN(3) == 0 {
		cfg.Poller = w.s.g
	}
	var err error
	w.d, err = w.s.e.NewEVD(cfg)
	require.NoError(w.s.t, err)
	w.s.sum.evds.Add(1)
}

func (w *soakSeat) mode() engine.Mode {
	if w.rnd.IntN(12) == 0 { // there are two CPUs, and others need them
		return engine.ModeSpin
	}
	return []engine.Mode{engine.ModeEvent, engine.ModeAdaptive}[w.rnd.IntN(2)]
}

func (w *soakSeat) take(evs []engine.Event, ordered bool, way *atomic.Uint64) {
	for i := range evs {
		ev := &evs[i]
		w.s.mu.RLock()
		h := w.s.halves[uint32(ev.WRID>>32)]
		w.s.mu.RUnlock()
		if h == nil {
			w.s.t.Errorf("a completion of nobody: %+v", *ev)
			continue
		}
		h.see(int(uint32(ev.WRID)&^soakSend), ev.WRID&soakSend != 0, ordered, ev.Status)
		way.Add(1)
	}
}

func (w *soakSeat) upcall(u *engine.Upcall, ordered bool) {
	if len(u.Events()) > 0 {
		w.take(u.Events(), ordered, &w.s.sum.upcall)
		return
	}
	var buf [8]engine.Event // NotificationOnly
	n, err := u.Dequeue(buf[:])
	w.take(buf[:n], ordered, &w.s.sum.dequeued)
	if !errors.Is(err, engine.ErrClosed) { // the EVD is being closed
		w.fine("dequeue in the upcall", err)
	}
}

// fine lets errors pass that only say that somebody else is at it.
func (w *soakSeat) fine(what string, err error) {
	for _, ok := range []error{nil, engine.ErrBusy, engine.ErrEventsPending, engine.ErrTooSmall, engine.ErrSuperseded, context.DeadlineExceeded} {
		if errors.Is(err, ok) || err == nil {
			return
		}
	}
	w.s.t.Errorf("%s: %v", what, err)
}

func (w *soakSeat) dequeue(times int) {
	buf := make([]engine.Event, 1+w.rnd.IntN(32))
	for range times {
		n, err := w.d.Dequeue(buf)
		w.take(buf[:n], w.ordered, &w.s.sum.dequeued)
		w.fine("dequeue", err)
	}
}

// enable lets upcalls run, in one of the ways there are.
func (w *soakSeat) enable() {
	p := []engine.Policy{engine.SingleInstance, engine.NotificationOnly, engine.ManyLimit(2), engine.Many}[w.rnd.IntN(4)]
	if w.ordered {
		p = []engine.Policy{engine.SingleInstance, engine.NotificationOnly}[w.rnd.IntN(2)]
	}
	switch w.rnd.IntN(3) {
	case 0:
		w.fine("enable", w.d.ModifyUpcall(p, engine.Same)) // pending events refuse it
	case 1:
		w.fine("enable any", w.d.ModifyUpcallAny(p, engine.Same))
	default:
		w.fine("enable new", w.d.ModifyUpcallNew(p, engine.Same))
	}
}

// disable keeps upcalls from running, until the last has ended where the order counts.
func (w *soakSeat) disable() {
	if w.ordered || w.rnd.IntN(2) == 0 {
		w.fine("teardown", w.d.Teardown(context.Background()))
		return
	}
	w.fine("disable", w.d.ModifyUpcall(engine.Disable, engine.Same))
}

// drive has one EVD after the other, and does to it what can be done.
func (w *soakSeat) drive() {
	for !w.s.ended.Load() {
		w.open()
		for range 1 + w.rnd.IntN(12) {
			w.act()
			if w.s.ended.Load() {
				break
			}
		}
		if err := w.d.Close(); err != nil {
			w.s.t.Error(err)
		}
	}
}

func (w *soakSeat) act() {
	switch w.rnd.IntN(8) {
	case 0, 1, 2:
		w.enable()
		time.Sleep(time.Duration(w.rnd.IntN(4000)) * time.Microsecond)
	case 3:
		w.disable()
		w.dequeue(1 + w.rnd.IntN(20))
	case 4:
		w.disable()
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(w.rnd.IntN(3000))*time.Microsecond)
		defer cancel()
		buf := make([]engine.Event, 16)
		n, _, err := w.d.Wait(ctx, 1+w.rnd.IntN(7), buf)
		w.take(buf[:n], w.ordered, &w.s.sum.dequeued)
		w.fine("wait", err)
	case 5:
		w.fine("mode", w.d.SetMode(w.mode()))
	case 6:
		w.fine("resize", w.d.Resize([]int{7, 64, 300}[w.rnd.IntN(3)]))
	default:
		w.disable() // and nobody takes for a while
		time.Sleep(time.Duration(w.rnd.IntN(300)) * time.Microsecond)
	}
}
