package engine

import "math/bits"

// Classes of what waits its turn, most urgent first, where Config.Priority or
// CNOConfig.Priority asks for them; else all are of the first.
const (
	classAsync uint8 = iota // async errors
	classCM                 // EVDs with stream Connection or CR
	classRest
	numClasses
)

// inARow is how many of more urgent classes go ahead of one that waits.
const inARow = 8

// classOf is the class of an EVD with these streams.
func classOf(priority bool, s Stream) uint8 {
	switch {
	case !priority || s&Async != 0:
		return classAsync
	case s&(Connection|CR) != 0:
		return classCM
	}
	return classRest
}

// turns says which class comes next: the most urgent one, but a class that waits is
// passed over inARow times at most, and then it is its turn.
//
// Invariants: bit c of waiting is set while something of class c waits; passed[c]
// counts the turns of others since c had its last one, and is 0 while nothing of c
// waits.
// Zero value: nothing waits. It has no lock.
type turns struct {
	waiting uint8
	passed  [numClasses]uint8
}

// add says that something of class c waits.
func (t *turns) add(c uint8) { t.waiting |= 1 << c }

// drop says that nothing of class c waits any more.
func (t *turns) drop(c uint8) {
	t.waiting &^= 1 << c
	t.passed[c] = 0
}

// next gives the turn to a class; one must wait.
func (t *turns) next() uint8 {
	turn := uint8(bits.TrailingZeros8(t.waiting))
	for c := turn + 1; c < numClasses; c++ {
		if t.passed[c] >= inARow && t.passed[turn] < inARow {
			turn = c
		}
	}
	for c := turn + 1; c < numClasses; c++ {
		if t.waiting&(1<<c) != 0 && t.passed[c] < inARow {
			t.passed[c]++
		}
	}
	t.passed[turn] = 0
	return turn
}

// linked is a node of a classList: it has room for one link.
type linked[N any] interface {
	comparable
	link() *N
}

// classList is a FIFO for each class. It is intrusive, never full, and never
// allocates. It has no lock.
//
// Invariant: a node is in one list at most, by its link.
// Zero value: empty.
type classList[N linked[N]] struct {
	turns turns
	lists [numClasses]struct{ first, last N }
}

func (l *classList[N]) empty() bool { return l.turns.waiting == 0 }

func (l *classList[N]) push(n N, class uint8) {
	var none N
	q := &l.lists[class]
	*n.link() = none
	if q.last == none {
		q.first = n
		l.turns.add(class)
	} else {
		*q.last.link() = n
	}
	q.last = n
}

// pop answers the zero N if the list is empty.
func (l *classList[N]) pop() (n N) {
	var none N
	if l.empty() {
		return none
	}
	c := l.turns.next()
	q := &l.lists[c]
	n = q.first
	if q.first = *n.link(); q.first == none {
		q.last = none
		l.turns.drop(c)
	}
	*n.link() = none
	return n
}

// link is the machine's place in the run queue.
func (m *machine) link() **machine { return &m.next }
