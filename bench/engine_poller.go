package bench

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/spin"
)

// substitute is what one would write without the engine: a goroutine for each CQ that
// polls it, arms it, looks again and sleeps, and hands what came to a dispatcher. It is
// written as well as can be: batches, nothing allocated, no lock beside the
// dispatcher's.
//
// What it lacks is what the engine has beside that: policies, a watchdog, budgets,
// contained panics.
type substitute struct {
	u       *unit
	to      dispatcher
	pollers []*poller
	running sync.WaitGroup

	rejected atomic.Uint64
	closed   atomic.Bool

	// Of whoever delivers: the dispatcher has one at a time.
	delivered, upcalls uint64
	leftover           uint64 // owner: close
}

// dispatcher takes events from any goroutine and has them delivered, in order, by one
// at a time.
type dispatcher interface {
	// put takes as many of evs as it has room for, and answers how many. It may
	// deliver.
	put(evs []engine.Event) int
	// post is put of one.
	post(ev *engine.Event) bool
	// close ends it once nobody puts any more, and returns what was not delivered.
	close(left func([]engine.Event))
}

func newSubstitute(u *unit, ec engine.EVDConfig) (*substitute, error) {
	cfg := &u.s.cfg
	x := &substitute{u: u}
	patience := patienceOf(*cfg)
	room := 1 << bits.Len(uint(cfg.Capacity-1))
	x.to = newDispatcher(cfg.Engine, room, cfg.Batch, waitFor{delivererPatience(*cfg), u.s.clk}, x.upcall)
	for i, cq := range ec.CQs {
		p := &poller{
			x: x, cq: cq, index: uint16(i), wait: waitFor{patience, u.s.clk},
			wcs: make([]hwcq.WC, cfg.Batch), evs: make([]engine.Event, cfg.Batch),
		}
		x.pollers = append(x.pollers, p)
		x.running.Go(p.run)
	}
	return x, nil
}

// upcall is called by the dispatcher.
func (x *substitute) upcall(evs []engine.Event) {
	x.upcalls++
	x.delivered += uint64(len(evs))
	x.u.deliver(byUpcall, evs)
}

// post is EVD.Post. With some dispatchers it delivers, on the caller's stack.
func (x *substitute) post(ev *engine.Event) error {
	if x.closed.Load() {
		return engine.ErrClosed
	}
	ev.Stream, ev.Number = engine.Software, engine.SoftwareEvent
	if !x.to.post(ev) {
		x.rejected.Add(1)
		return engine.ErrFull
	}
	return nil
}

// close waits for the producers, who have nothing to wait for any more, and for the
// pollers. It is idempotent.
func (x *substitute) close() {
	if x.closed.Swap(true) {
		return
	}
	x.u.s.phase.advance(stopping)
	x.u.s.posters.Wait()
	for _, p := range x.pollers {
		p.stop.Store(true) // before the wake: who wakes looks
		p.cq.Events().Wake()
	}
	x.running.Wait()
	x.to.close(func(evs []engine.Event) {
		x.leftover += uint64(len(evs))
		x.u.left(evs)
	})
}

// stats are the counters that there are, once closed.
func (x *substitute) stats() (s engine.Stats) {
	for _, p := range x.pollers {
		s.Polled += p.polled
		s.Arms += p.arms
		s.ArmErrors += p.armErrors
		s.Events += p.events
		s.Spurious += p.spurious
		s.Missed += p.missed
		s.Sleeps += p.sleeps
	}
	s.Delivered, s.Upcalls, s.Leftover = x.delivered, x.upcalls, x.leftover
	s.Posted = s.Delivered + s.Leftover - s.Polled // what else came out
	s.Rejected = x.rejected.Load()
	return s
}

func (x *substitute) budget() time.Duration {
	if p := patienceOf(x.u.s.cfg); p != forEver {
		return p
	}
	return 0
}

// forEver is the patience of mode spin.
const forEver = time.Duration(1<<63 - 1)

// patienceOf is how long a goroutine looks for something to do before it sleeps.
func patienceOf(c Config) time.Duration {
	switch {
	case c.Mode == "event":
		return 0
	case c.Mode == "spin":
		return forEver
	case c.Spin != 0:
		return c.Spin
	}
	return engine.WakeCost()
}

// delivererPatience is that of a goroutine to which others hand over. It sleeps: Go's
// scheduler hands over faster than two that spin make room for each other, and in mode
// spin, where it may spin, it does so only where the poller and the device leave a CPU.
func delivererPatience(c Config) time.Duration {
	if c.Mode == "spin" && runtime.GOMAXPROCS(0) > 2 {
		return forEver
	}
	return 0
}

// waitFor is how a goroutine waits: it looks for some time, and then it is to sleep.
type waitFor struct {
	patience time.Duration
	clk      *Clock
}

// spins looks until found answers true; false: it is time to sleep.
func (w waitFor) spins(found func() bool) bool {
	if w.patience == 0 {
		return false
	}
	const yieldEvery = 32 // as the engine's pollers
	limit := Ticks(1<<63 - 1)
	if w.patience != forEver {
		limit = w.clk.Now() + w.clk.Ticks(w.patience)
	}
	for turn := 1; ; turn++ {
		if found() {
			return true
		}
		if turn%yieldEvery != 0 {
			spin.Pause()
			continue
		}
		runtime.Gosched()
		if turn%(32*yieldEvery) == 0 {
			spin.Yield()
		}
		if w.patience != forEver && w.clk.Now() > limit {
			return false
		}
	}
}

// poller polls one CQ. Owner of all but stop: its goroutine, then close.
type poller struct {
	x     *substitute
	cq    hwcq.CQ
	index uint16
	wait  waitFor
	stop  atomic.Bool // Writer: close. Reader: the goroutine
	wcs   []hwcq.WC
	evs   []engine.Event
	came  int // completions of the poll that found some

	polled, arms, armErrors, events, spurious, missed, sleeps uint64
}

func (p *poller) run() {
	look := p.look // once: a method value is allocated
	for {
		if p.came == 0 && !p.look() && !p.wait.spins(look) && !p.sleep() {
			return
		}
		if p.came > 0 {
			p.hand()
		} else if p.stop.Load() {
			return
		}
	}
}

// look polls; it answers true too when it is time to end.
func (p *poller) look() bool {
	if p.came = p.cq.Poll(p.wcs); p.came > 0 {
		p.polled += uint64(p.came)
		return true
	}
	return p.stop.Load()
}

// hand hands over what came.
func (p *poller) hand() {
	evs := p.evs[:p.came]
	for i := range evs {
		wc := &p.wcs[i]
		evs[i] = engine.Event{
			WRID: wc.WRID, Stream: engine.DTO, CQ: p.index, Number: engine.DTOCompletion,
			Status: wc.Status, Opcode: wc.Opcode, VendorErr: wc.VendorErr, ByteLen: wc.ByteLen,
			Imm: wc.Imm, Flags: wc.Flags, QPNum: wc.QPNum, SrcQP: wc.SrcQP,
		}
	}
	p.came = 0
	for full := 0; ; {
		n := p.x.to.put(evs)
		if evs = evs[n:]; len(evs) == 0 {
			return
		}
		if n > 0 {
			full = 0
		}
		full++
		giveWay(full)
	}
}

// sleep arms, looks again and sleeps. False: nothing will come any more.
func (p *poller) sleep() bool {
	missed, err := p.cq.Arm(false)
	switch {
	case gone(err):
		return p.look() && p.came > 0 // what is there can be had
	case err != nil: // a driver's mood: look again later
		p.armErrors++
		time.Sleep(time.Millisecond)
		return true
	}
	p.arms++
	if missed || p.cq.Pending() {
		p.missed++
		return true
	}
	p.sleeps++
	event, err := p.cq.Events().Wait()
	if err != nil {
		return !gone(err) || p.look() && p.came > 0
	}
	if event {
		p.events++
		if !p.look() {
			p.spurious++
		}
	}
	return true
}
