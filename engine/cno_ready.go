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

// readyClasses: async errors, connection management, the rest.
const readyClasses = 3

// patience is how often a class is passed over before one of it is due.
const patience = 8

// readyList is the EVDs of a CNO that have events and no owner, in the order in
// which they became so within their class. All of it belongs to CNO.mu.
//
// Invariants: n is how many are in the lists; passed[i] counts how often one of a
// higher class was handed out over a waiting one of class i since that class had
// its last turn.
type readyList struct {
	first, last [readyClasses]*EVD
	passed      [readyClasses]int
	n           int
	priority    bool
}

func (l *readyList) class(d *EVD) uint8 {
	switch {
	case !l.priority, d.streams&(Async|Connection|CR) == 0:
		return readyClasses - 1
	case d.streams&Async != 0:
		return 0
	}
	return 1
}

func (l *readyList) push(d *EVD) {
	k := l.class(d)
	atom.PlainWrite(unsafe.Pointer(&d.cnoSeat))
	d.listed, d.readyClass = true, k
	d.ahead, d.behind = l.last[k], nil
	if d.ahead == nil {
		l.first[k] = d
	} else {
		d.ahead.behind = d
	}
	l.last[k] = d
	l.n++
}

// remove takes d, which must be listed, off.
func (l *readyList) remove(d *EVD) {
	atom.PlainWrite(unsafe.Pointer(&d.cnoSeat))
	k := d.readyClass
	if d.ahead == nil {
		l.first[k] = d.behind
	} else {
		d.ahead.behind = d.behind
	}
	if d.behind == nil {
		l.last[k] = d.ahead
	} else {
		d.behind.ahead = d.ahead
	}
	d.ahead, d.behind, d.listed = nil, nil, false
	if l.first[k] == nil {
		l.passed[k] = 0 // nobody waits there any more
	}
	l.n--
}

// pop takes off the one that is due: the oldest of the highest class, unless a
// lower one has waited for long.
func (l *readyList) pop() *EVD {
	due := -1
	for k := range readyClasses {
		if l.first[k] != nil && (due < 0 || l.passed[k] >= patience) {
			due = k
		}
	}
	if due < 0 {
		return nil
	}
	for k := due + 1; k < readyClasses; k++ {
		if l.first[k] != nil {
			l.passed[k]++
		}
	}
	l.passed[due] = 0
	d := l.first[due]
	l.remove(d)
	return d
}
