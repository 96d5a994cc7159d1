package engine

import (
	"math/bits"
	"unsafe"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/pad"
)

// port is the place of one EVD on a shared CQ: a CQ in software, into which the
// shared CQ's machine puts the EVD's completions. It is attached to the EVD as a CQ
// is, directly, so that arming, looking and leaving are what they are elsewhere;
// only, arming it cannot fail, and nobody sleeps over it: who puts something in
// triggers the EVD himself.
//
// Its places are what was reserved by credits, so that whoever puts always has one.
// A user who submits more than that makes it grow: nobody is blocked, nothing lost,
// and he is told (EVDOverflow).
//
// Invariants: out <= in on the 64-bit circle. What stands at positions [out, in)
// belongs to the consumer, the rest to the producer. armed is set only by the
// consumer's side, who looks afterwards; who clears it owes one event.
//
// The producer is the holder of the shared CQ's mu; the consumer the holder of the
// EVD's TAKE.
type port struct {
	d      *EVD
	s      *SharedCQ
	link   link
	routes atom.Int32 // QP numbers that lead here. Writers: join, leave. Readers: everybody

	_    pad.Line
	slot int      // owner: s.mu; place in s.ports
	room uint64   // owner: s.mu; sum of the credits
	tail *segment // owner: s.mu
	pos  uint64   // owner: s.mu; written up to here
	seen uint64   // owner: s.mu; out as it was
	over bool     // owner: s.mu; more than room since the last commit
	left uint64   // owner: s.mu; pos when a number was taken off: what is before it may be of that
	in   atom.Uint64

	_    pad.Line
	head *segment    // owner: the holder of TAKE
	out  atom.Uint64 // Writer: the holder of TAKE

	_     pad.Line
	armed atom.Bool
}

// segment has the positions from from up to the next one's from, at most
// len(slots) of them at a time.
type segment struct {
	slots []hwcq.WC // a power of two
	from  uint64
	next  atom.Pointer[segment] // Writer: the producer, once
}

func newSegment(room, from uint64) *segment {
	return &segment{slots: make([]hwcq.WC, 1<<bits.Len64(max(room, 1)-1)), from: from}
}

func (g *segment) at(pos uint64) int { return int(pos) & (len(g.slots) - 1) }

func newPort(d *EVD, s *SharedCQ, room uint64) *port {
	p := &port{d: d, s: s, head: newSegment(room, 0)}
	p.tail = p.head
	p.link = link{cq: p, owner: d, port: p, depth: s.depth}
	return p
}

// write puts one completion in; commit shows it. Under s.mu.
func (p *port) write(wc *hwcq.WC) {
	g := p.tail
	if n := uint64(len(g.slots)); p.pos-p.seen >= min(p.room, n) {
		p.seen = p.out.Load() // acquire: pairs with [H4]
		p.over = p.over || p.pos-max(p.seen, p.left) >= p.room
		if p.pos-max(p.seen, g.from) >= n {
			g = p.grow(2 * n)
		}
	}
	i := g.at(p.pos)
	if atom.Exploring {
		atom.PlainWrite(unsafe.Pointer(&g.slots[i]))
	}
	g.slots[i] = *wc
	p.pos++
}

// grow adds a segment of room places at least. What has been written stays where
// it is, and comes first. Under s.mu.
func (p *port) grow(room uint64) *segment {
	g := newSegment(room, p.pos)
	p.tail.next.Store(g) // [H5] release: before in goes past its first position
	p.tail = g
	return g
}

// reserve changes the room by delta. Under s.mu.
func (p *port) reserve(delta int) {
	p.room += uint64(delta) // may be negative
	if delta < 0 {
		p.left = p.pos
	}
	if p.room > uint64(len(p.tail.slots)) {
		p.grow(p.room)
	}
}

// commit shows what has been written and answers whether an event is due, one for
// each arming. Under s.mu.
func (p *port) commit() (event bool) {
	p.in.Store(p.pos) // [H1] release: the slots; then the look at armed
	if p.over {
		p.over = false
		p.d.alarm(alarmOverflow, p.link.index)
	}
	return p.armed.Load() && p.armed.Swap(false) // [H2] pairs with [H3]: one of the two sees the other
}

// Poll moves completions out. TAKE must be held.
func (p *port) Poll(dst []hwcq.WC) (n int) {
	out := p.out.Load()
	in := p.in.Load() // acquire: pairs with [H1], and, being before the look at next, with [H5]
	for n < len(dst) && out != in {
		g, end := p.head, in
		if next := g.next.Load(); next != nil {
			if out == next.from {
				p.head = next
				continue
			}
			if next.from-out < end-out {
				end = next.from
			}
		}
		i := g.at(out)
		k := min(len(dst)-n, int(end-out), len(g.slots)-i)
		if atom.Exploring {
			for j := range k {
				atom.PlainRead(unsafe.Pointer(&g.slots[i+j]))
			}
		}
		copy(dst[n:], g.slots[i:i+k])
		n += k
		out += uint64(k)
	}
	if n > 0 {
		p.link.stats.polled.Add(uint64(n)) // before the port may be dropped as empty
		p.out.Store(out)                   // [H4] release: the slots have been read
	}
	return n
}

// held is how many completions there are.
func (p *port) held() int {
	out := p.out.Load() // first: in never is behind it
	return int(p.in.Load() - out)
}

// Pending is hwcq.CQ's.
func (p *port) Pending() bool { return p.held() > 0 }

// Arm asks for one event; the caller looks afterwards.
func (p *port) Arm(bool) (missed bool, err error) {
	p.armed.Store(true) // [H3] SC: before the caller's look
	return false, nil
}

// Events is nil: nobody waits for a port.
func (p *port) Events() hwcq.EventSource { return nil }

// Capabilities is hwcq.CQ's.
func (p *port) Capabilities() hwcq.Capabilities {
	return hwcq.Capabilities{Driver: "port", Depth: p.s.depth, ArmIdempotent: true, Overrun: hwcq.OverrunRecoverable}
}

// Close does nothing: a port ends with its EVD, or when all have left.
func (p *port) Close() error { return nil }
