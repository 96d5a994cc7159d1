package explore

import "math/bits"

// seen are the states that a depth-first search has been through, so that it
// follows each of them once and not by every way that leads there.
//
// A state is told by what each thread has done so far: its operations, and for
// each of them which write it saw or replaced. That decides what every thread
// does next, what is in memory and what happened before what, so executions
// that come to one state go on alike; they differ in the order of independent
// operations only. With a bound on preemptions it matters too who runs, because
// others would preempt it, and how many preemptions are left: a state is given
// up if it was followed before with as many or more. (Musuvathi and Qadeer do
// the same in CHESS; "Fair stateless model checking", PLDI 2008.)
//
// States are told apart by 64 bits that are as good as random. A search looks
// for some 10^8 of them among 10^7: the odds that it takes one for another in a
// single search are 1 to 10^4, and that something is hidden by that less still.
//
// Invariant: a state in the table has been followed to all its ends, with left
// preemptions, or is on the way of the execution under way.
type seen struct {
	keys []uint64 // 0: free
	left []uint8  // preemptions left, plus one
	used int
}

// maxSeen is the most states that are kept: 144 MB. Others are followed again.
const maxSeen = 1 << 23

func newSeen() *seen { return &seen{keys: make([]uint64, 1<<10), left: make([]uint8, 1<<10)} }

// visit notes a state, and tells whether it is known with as many preemptions.
func (s *seen) visit(key uint64, left uint8) (known bool) {
	key = max(key, 1)
	mask := uint64(len(s.keys) - 1)
	i := key & mask
	for s.keys[i] != 0 {
		if s.keys[i] == key {
			if s.left[i] >= left {
				return true
			}
			s.left[i] = left
			return false
		}
		i = (i + 1) & mask
	}
	if s.used == maxSeen {
		return false
	}
	s.keys[i], s.left[i] = key, left
	if s.used++; s.used*2 > len(s.keys) {
		s.grow()
	}
	return false
}

func (s *seen) grow() {
	keys, left := s.keys, s.left
	s.keys, s.left = make([]uint64, 2*len(keys)), make([]uint8, 2*len(keys))
	mask := uint64(len(s.keys) - 1)
	for n, key := range keys {
		if key != 0 {
			i := key & mask
			for s.keys[i] != 0 {
				i = (i + 1) & mask
			}
			s.keys[i], s.left[i] = key, left[n]
		}
	}
}

// past is the hash of what a thread has done, or what led to a write.
type past uint64

// then is the past with one thing more in it.
func (p past) then(what, from uint64) past {
	hi, lo := bits.Mul64(uint64(p)^what*0x9e3779b97f4a7c15^0xa0761d6478bd642f, from^0xe7037ed1a0b428db)
	return past(hi ^ lo ^ uint64(p)*0x8ebc6af09c88c6e3)
}

const hashPrime = 16777619

// hashOp adds an operation to the hash of the execution, and one without an object
// to what the thread has done: the others' outcome is not known yet, see effect.
func (x *X) hashOp(t *Thread, kind Kind, l *loc) {
	h := uint32(t.id)<<8 ^ uint32(kind)
	if l != nil {
		h ^= uint32(l.id+1) << 16
	} else {
		t.past = t.past.then(uint64(kind), 0)
	}
	x.hash = (x.hash ^ h) * hashPrime
}

// been tells whether the execution is at a state that the search has followed
// before; t is the running thread if it could go on.
func (x *X) been(t *Thread) bool {
	d := x.dfs
	if d.pos < len(d.path) || !d.none {
		return false // on the way to something new, or it depends on the order of idle turns
	}
	sum := uint64(x.past)
	for _, u := range x.threads {
		flags := uint64(u.state) | uint64(u.kind)<<16 // the kind only tells more if it depends on what is not seen
		if u == t && x.bound >= 0 {
			flags |= 1 << 8
		}
		if u == t || x.enabled(u) {
			flags |= 1 << 9
		}
		if x.version == x.roundVersion && u.round == x.round {
			flags |= 1 << 10
		}
		sum += uint64(u.past.then(flags, 1))
	}
	if x.version == x.roundVersion {
		sum += uint64(x.idleRounds)
	}
	left := 1
	if x.bound >= 0 {
		left += x.bound - x.preempts
	}
	if left == 1 && x.bound > 0 && sum>>60&3 != 0 {
		return false // no branches here: one in four is as good, and the table a third
	}
	return x.seen.visit(sum, uint8(min(left, 255)))
}

// values is what an operation read and wrote, as far as it is the same in every
// execution: pointers are not.
func values(k Kind, before, after uint64) uint64 {
	if k&AsPointer != 0 {
		before, after = min(before, 1), min(after, 1)
	}
	return before*0x9e3779b97f4a7c15 + after
}

// Note declares that the thread now reads or writes plain memory that others
// write too, undeclared, and that the order of these accesses may show: a log of
// what happened when, or a copy of a number that others count up. Executions that
// differ in the order of Notes come to different states: see Options.Merge.
func Note() {
	if x := cur.Load(); x != nil && x.mode == modeRun {
		t := x.running
		x.flush(t)
		t.past = t.past.then(uint64(opWrite), uint64(x.noted))
		x.noted = t.past
	}
}
