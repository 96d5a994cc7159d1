package engine

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// cnoSeat is what an EVD has for the CNO it is on. Where the mutex of a CNO is its
// owner, it is that of the one which EVD.cno names.
//
// Invariant: listed and owner are never both there.
type cnoSeat struct {
	listed     bool       // owner: CNO.mu
	ahead      *EVD       // owner: CNO.mu; neighbours in the list
	behind     *EVD       // owner: CNO.mu
	owner      *CNOWaiter // owner: CNO.mu; who was given the EVD
	readyClass uint8      // owner: CNO.mu; the list it is in
}

// readyList is the EVDs of a CNO that have events and no owner, in the order in
// which they became so within their class. All of it belongs to CNO.mu.
//
// It is doubly linked, unlike a classList: an EVD is also taken off before its turn.
// Invariant: n is how many are in the lists.
type readyList struct {
	turns    turns
	lists    [numClasses]struct{ first, last *EVD }
	n        int
	priority bool
}

func (l *readyList) push(d *EVD) {
	atom.PlainWrite(unsafe.Pointer(&d.cnoSeat))
	d.listed, d.readyClass = true, classOf(l.priority, d.streams)
	q := &l.lists[d.readyClass]
	d.ahead, d.behind = q.last, nil
	if d.ahead == nil {
		q.first = d
		l.turns.add(d.readyClass)
	} else {
		d.ahead.behind = d
	}
	q.last = d
	l.n++
}

// remove takes d, which must be listed, off.
func (l *readyList) remove(d *EVD) {
	atom.PlainWrite(unsafe.Pointer(&d.cnoSeat))
	q := &l.lists[d.readyClass]
	if d.ahead == nil {
		q.first = d.behind
	} else {
		d.ahead.behind = d.behind
	}
	if d.behind == nil {
		q.last = d.ahead
	} else {
		d.behind.ahead = d.ahead
	}
	d.ahead, d.behind, d.listed = nil, nil, false
	if q.first == nil {
		l.turns.drop(d.readyClass)
	}
	l.n--
}

// pop takes off the one whose turn it is; nil if there is none.
func (l *readyList) pop() *EVD {
	if l.n == 0 {
		return nil
	}
	d := l.lists[l.turns.next()].first
	l.remove(d)
	return d
}
