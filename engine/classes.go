package engine

// Classes of the run queue, most urgent first, where Config.Priority asks for them;
// else all are of the first.
const (
	classAsync uint8 = iota // async errors
	classCM                 // EVDs with stream Connection or CR
	classRest
	numClasses
)

// inARow is how many of more urgent classes go ahead of one that waits.
const inARow = 8

// linked is a node of a classList: it has room for one link.
type linked[N any] interface {
	comparable
	link() *N
}

// classList is a FIFO for each class: the first of the most urgent class comes
// first, but a class that waits is passed over inARow times at most, and then it is
// its turn. It is intrusive, never full, and never allocates. It has no lock.
//
// Invariants: a node is in one list at most, by its link; passed counts the pops
// since a class that is not empty had its last turn, and is 0 for an empty one.
// Zero value: empty.
type classList[N linked[N]] struct {
	lists  [numClasses]struct{ first, last N }
	passed [numClasses]uint8
}

func (l *classList[N]) empty() bool {
	var none N
	for c := range l.lists {
		if l.lists[c].first != none {
			return false
		}
	}
	return true
}

func (l *classList[N]) push(n N, class uint8) {
	var none N
	q := &l.lists[class]
	*n.link() = none
	if q.last == none {
		q.first = n
	} else {
		*q.last.link() = n
	}
	q.last = n
}

// pop answers the zero N if the list is empty.
func (l *classList[N]) pop() (n N) {
	var none N
	turn := -1
	for c := range l.lists {
		if l.lists[c].first == none {
			continue
		}
		if turn < 0 || l.passed[c] >= inARow && l.passed[turn] < inARow {
			turn = c
		}
	}
	if turn < 0 {
		return none
	}
	for c := turn + 1; c < len(l.lists); c++ {
		if l.lists[c].first != none && l.passed[c] < inARow {
			l.passed[c]++
		}
	}
	l.passed[turn] = 0
	q := &l.lists[turn]
	n = q.first
	if q.first = *n.link(); q.first == none {
		q.last = none
	}
	*n.link() = none
	return n
}

// link is the machine's place in the run queue.
func (m *machine) link() **machine { return &m.next }

// classOf is the class of an EVD with these streams.
func (e *Engine) classOf(s Stream) uint8 {
	switch {
	case !e.cfg.Priority || s&Async != 0:
		return classAsync
	case s&(Connection|CR) != 0:
		return classCM
	}
	return classRest
}
