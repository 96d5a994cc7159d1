// Package fast uses the fast paths of package ring from outside, for the test that
// looks at what the compiler makes of it.
package fast

import "github.com/evdengine/evd/ring"

type event [4]uint64

// Each calls every fast path once.
func Each(r *ring.MPSC[event], c *ring.Chain[event], l *ring.Lane[event], v *event) (n int) {
	if r.TryPush(v) && r.TryPop(v) {
		n++
	}
	if k, ok := r.TryReserve(1); ok {
		*r.Slot(k, 0) = *v
		copy(r.Slots(k, 0), []event{*v})
		r.Commit(k)
		r.CommitRelease(k)
	}
	if p := r.TryPeek(); p != nil {
		r.Advance(1)
	}
	r = c.In()
	if r.TryPush(v) {
		r = c.Out()
		if r.TryPop(v) {
			n++
		}
	}
	if l.TryPush(v) && l.TryPop(v) {
		n++
	}
	if k, ok := l.TryReserve(1); ok {
		*l.Slot(k, 0) = *v
		copy(l.Slots(k, 0), []event{*v})
		l.Commit(k)
		l.CommitRelease(k)
	}
	if p := l.TryPeek(); p != nil {
		l.Advance(1)
	}
	return n
}

// Ring pushes and pops one event.
func Ring(r *ring.MPSC[event], v *event) bool { return r.TryPush(v) && r.TryPop(v) }

// Polled pushes and pops one event in place, for a consumer who polls.
func Polled(r *ring.MPSC[event], n uint64) (m uint64) {
	if k, ok := r.TryReserve(1); ok {
		r.Slot(k, 0)[0] = n
		r.CommitRelease(k)
	}
	if p := r.TryPeek(); p != nil {
		m = p[0]
		r.Advance(1)
	}
	return m
}

// Lane pushes and pops one event.
func Lane(l *ring.Lane[event], v *event) bool { return l.TryPush(v) && l.TryPop(v) }

// Release does so in place, for a consumer who polls.
func Release(l *ring.Lane[event], n uint64) (m uint64) {
	if k, ok := l.TryReserve(1); ok {
		l.Slot(k, 0)[0] = n
		l.CommitRelease(k)
	}
	if p := l.TryPeek(); p != nil {
		m = p[0]
		l.Advance(1)
	}
	return m
}
