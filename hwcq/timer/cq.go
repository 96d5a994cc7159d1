package timer

import (
	"fmt"
	"sync"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

const (
	// DefaultDepth is the depth of a CQ whose configuration says 0.
	DefaultDepth = 128
	// MaxDepth is the greatest depth.
	MaxDepth = 1 << 20
	// MinPeriod is the shortest period of Every.
	MinPeriod = 10 * time.Microsecond
)

// Config describes a CQ. The zero value is a CQ of DefaultDepth timers.
type Config struct {
	// Depth is how many timers there may be, running or completed and not
	// polled: 1..MaxDepth, 0 means DefaultDepth.
	Depth int
}

// Validate reports what New would refuse.
func (c Config) Validate() error {
	if c.Depth < 0 || c.Depth > MaxDepth {
		return param.Invalid("timer: New", "Depth", c.Depth, fmt.Sprintf("0 (default %d) or 1..%d", DefaultDepth, MaxDepth))
	}
	return nil
}

// CQ is a completion queue of timers. It implements [hwcq.CQ].
//
// A completion has the timer's WRID, StatusSuccess, and in ByteLen how many
// times the timer expired: of a periodic timer, expirations that were not
// polled yet are one completion. Completions come in the order in which the
// timers were due, those due at once in the order in which they were started. A CQ
// does not overrun: a timer that there is no room for is refused.
//
// Concurrency: every method from any goroutine at any time, except that one
// goroutine at a time may be in Wait or TryWait of Events; a second gets
// hwcq.ErrBusy. One lock guards all, held for a few instructions a timer.
//
// Ownership: whoever called New calls Close. There is no goroutine, only one
// timer of the runtime, which Close stops.
//
// Invariant: slots are in free, or in due (running), or in ready (expired and
// not polled), or in the last two (periodic), counted by used; clock is set to
// the first of due.
type CQ struct {
	mu     sync.Mutex // guards all below
	slots  []slot
	free   []uint32 // a stack
	due    heap     // running, by time
	ready  fifo     // expired, in order
	serial uint64   // of the timer started last
	clock  *time.Timer
	closed bool
	src    source
}

// slot is one timer.
type slot struct {
	wrid    uint64
	when    time.Time
	serial  uint64        // order of start; also tells two users of a slot apart
	period  time.Duration // 0: once
	at      int           // place in the heap; -1: not running
	expired uint32        // not polled yet; > 0: in ready
}

// ID names a running timer. IDs are not used again, and 0 is none.
type ID struct {
	slot   uint32
	serial uint64
}

var _ hwcq.CQ = (*CQ)(nil)

// Errors made once.
var (
	errClosed = fmt.Errorf("timer: %w", hwcq.ErrClosed)
	errFull   = fmt.Errorf("timer: %w: as many timers as Depth are running or completed and not polled", hwcq.ErrFull)
	errBusy   = fmt.Errorf("timer: wait: %w: another goroutine is in Wait or TryWait", hwcq.ErrBusy)
)

// New makes a CQ. All its memory is allocated here.
func New(cfg Config) (*CQ, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	n := cfg.Depth
	if n == 0 {
		n = DefaultDepth
	}
	c := &CQ{slots: make([]slot, n), free: make([]uint32, n), due: make(heap, 0, n), ready: fifo{of: make([]uint32, n)}}
	for i := range c.free {
		c.free[i] = uint32(n - 1 - i)
	}
	c.src.cq, c.src.tok = c, make(chan struct{}, 1)
	c.clock = time.AfterFunc(time.Hour, c.ring)
	c.clock.Stop()
	return c, nil
}

// After starts a timer that completes once, d from now; at once if d is 0 or
// less. Errors: hwcq.ErrFull, hwcq.ErrClosed.
func (c *CQ) After(d time.Duration, wrid uint64) (ID, error) {
	return c.start(d, 0, wrid)
}

// Every starts a timer that completes each d, MinPeriod or more, the first
// time d from now. Expirations are multiples of d from its start, however late
// they are polled. Errors: an invalid d, hwcq.ErrFull, hwcq.ErrClosed.
func (c *CQ) Every(d time.Duration, wrid uint64) (ID, error) {
	if d < MinPeriod {
		return ID{}, param.Invalid("timer: Every", "d", d, "10us or more")
	}
	return c.start(d, d, wrid)
}

func (c *CQ) start(d, period time.Duration, wrid uint64) (ID, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return ID{}, errClosed
	}
	if len(c.free) == 0 {
		return ID{}, errFull
	}
	i := c.free[len(c.free)-1]
	c.free = c.free[:len(c.free)-1]
	c.serial++
	now := time.Now()
	c.slots[i] = slot{wrid: wrid, when: now.Add(max(d, 0)), serial: c.serial, period: period}
	c.due.push(c.slots, i)
	if d <= 0 {
		c.expire(now)
	}
	c.wind(now)
	return ID{i, c.serial}, nil
}

// Stop ends a timer and tells whether it was running. true: it completes no
// more. false: it was stopped before, or it has completed. A completion that
// is there already stays for Poll in both cases.
func (c *CQ) Stop(id ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || id.serial == 0 || int(id.slot) >= len(c.slots) {
		return false
	}
	s := &c.slots[id.slot]
	if s.serial != id.serial || s.at < 0 {
		return false
	}
	c.due.remove(c.slots, s.at)
	if s.expired == 0 {
		c.give(id.slot)
	}
	c.wind(time.Now())
	return true
}

// ring is called by the runtime's timer.
func (c *CQ) ring() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		now := time.Now()
		c.expire(now)
		c.wind(now)
	}
}

// expire moves what is due to ready, and raises the event. mu is held.
func (c *CQ) expire(now time.Time) {
	came := false
	for len(c.due) > 0 {
		i := c.due[0]
		s := &c.slots[i]
		late := now.Sub(s.when)
		if late < 0 {
			break
		}
		if s.expired == 0 {
			c.ready.push(i)
			came = true
		}
		times := uint64(1)
		c.due.remove(c.slots, 0)
		if s.period > 0 {
			times += uint64(late / s.period)
			s.when = s.when.Add(time.Duration(times) * s.period)
			c.due.push(c.slots, i)
		}
		s.expired = uint32(min(uint64(s.expired)+times, 1<<32-1))
	}
	if came {
		c.src.completed()
	}
}

// wind sets the clock to the timer that is due first. mu is held.
func (c *CQ) wind(now time.Time) {
	if len(c.due) == 0 {
		c.clock.Stop()
		return
	}
	c.clock.Reset(max(c.slots[c.due[0]].when.Sub(now), 0))
}

// give gives a slot back. mu is held.
func (c *CQ) give(i uint32) {
	c.slots[i].serial = 0
	c.free = append(c.free, i)
}

// Poll implements hwcq.CQ.
func (c *CQ) Poll(dst []hwcq.WC) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0
	}
	n := min(len(dst), c.ready.n)
	for k := range n {
		i := c.ready.pop()
		s := &c.slots[i]
		dst[k] = hwcq.WC{WRID: s.wrid, ByteLen: s.expired}
		s.expired = 0
		if s.at < 0 {
			c.give(i)
		}
	}
	return n
}

// Pending implements hwcq.CQ.
func (c *CQ) Pending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.closed && c.ready.n > 0
}

// Arm implements hwcq.CQ. missed is exact. No timer is solicited: both kinds
// of arm are for the next completion.
func (c *CQ) Arm(bool) (missed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return false, errClosed
	}
	c.src.armed = true
	return c.ready.n > 0, nil
}

// Events implements hwcq.CQ.
func (c *CQ) Events() hwcq.EventSource { return &c.src }

// Capabilities implements hwcq.CQ.
func (c *CQ) Capabilities() hwcq.Capabilities {
	return hwcq.Capabilities{
		Driver: "timer", Depth: len(c.slots), ArmIdempotent: true, ReportsMissed: true, Overrun: hwcq.OverrunRecoverable,
	}
}

// Close implements hwcq.CQ: it stops all timers. Every call returns nil.
func (c *CQ) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	c.clock.Stop()
	c.src.signal()
	return nil
}

// String names a timer in messages.
func (id ID) String() string { return fmt.Sprintf("timer %d", id.serial) }
