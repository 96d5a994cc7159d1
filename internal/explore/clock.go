package explore

import (
	"fmt"
	"unsafe"
)

// vclock is a vector clock: for each thread, how much of it is known.
type vclock [maxThreads]uint32

func (v *vclock) join(o *vclock, n int) {
	for i := 0; i < n && i < maxThreads; i++ {
		if o[i] > v[i] {
			v[i] = o[i]
		}
	}
}

// loc is what is known of one address in one execution.
type loc struct {
	addr unsafe.Pointer
	id   int // in order of first use, the same in every replay

	// Of atomics and other synchronizing objects: the clock of what was
	// released here, and the last write that changed the value.
	vc     vclock
	past   past // that of the last write
	ver    uint64
	prev   uint64 // last change by another thread than writer
	writer int

	// Of plain memory: the last write and, per thread, the last read.
	wtid int // -1: none
	wclk uint32
	rclk vclock
}

// locTable finds locs by address: an open hash table that is emptied by
// counting up gen.
//
// The pointers in the locs keep the objects alive, so that no address means
// two objects in one execution.
type locTable struct {
	slots []slot
	gen   uint32
	locs  []*loc // those in use come first
	used  int
}

// slot has no pointers, so that the garbage collector has no work with it.
type slot struct {
	key uintptr
	gen uint32
	loc uint32 // index in locs
}

func (lt *locTable) reset() {
	lt.gen++
	lt.used = 0
	if lt.gen == 0 || lt.slots == nil {
		lt.gen = 1
		lt.slots = make([]slot, max(256, len(lt.slots)))
	}
}

func slotOf(p uintptr, mask int) int {
	return int((uint64(p)*0x9E3779B97F4A7C15)>>32) & mask
}

func (lt *locTable) get(p unsafe.Pointer) *loc {
	key, mask := uintptr(p), len(lt.slots)-1
	i := slotOf(key, mask)
	for lt.slots[i].gen == lt.gen {
		if lt.slots[i].key == key {
			return lt.locs[lt.slots[i].loc]
		}
		i = (i + 1) & mask
	}
	if lt.used*2 >= len(lt.slots) {
		lt.grow()
		return lt.get(p)
	}
	if lt.used == len(lt.locs) {
		lt.locs = append(lt.locs, new(loc))
	}
	l := lt.locs[lt.used]
	*l = loc{addr: p, id: lt.used, wtid: -1, writer: -1}
	lt.slots[i] = slot{key, lt.gen, uint32(lt.used)}
	lt.used++
	return l
}

func (lt *locTable) grow() {
	lt.slots = make([]slot, 2*len(lt.slots))
	mask := len(lt.slots) - 1
	for n, l := range lt.locs[:lt.used] {
		key := uintptr(l.addr)
		i := slotOf(key, mask)
		for lt.slots[i].gen == lt.gen {
			i = (i + 1) & mask
		}
		lt.slots[i] = slot{key, lt.gen, uint32(n)}
	}
}

// flush settles an announced operation whose outcome nobody reported.
func (x *X) flush(t *Thread) {
	if t.pending {
		t.pending = false
		x.effect(t, true, true, 0)
	}
}

// settle applies the outcome of the announced operation.
func (x *X) settle(t *Thread, before, after uint64, ok bool) {
	if !t.pending {
		return
	}
	t.pending = false
	if x.tr != nil && x.mode == modeRun {
		x.tr.values(t, before, after, ok)
	}
	x.effect(t, ok, before != after, values(t.kind, before, after))
}

// effect gives the happens-before edges of an operation and wakes spinners.
func (x *X) effect(t *Thread, ok, changed bool, values uint64) {
	l := t.l
	t.past = t.past.then(values<<8^uint64(t.kind), uint64(l.past))
	n := len(x.threads)
	if x.dpor != nil {
		x.dpor.used(l, ok && t.kind.writes())
	}
	if t.kind.acquires() {
		t.vc.join(&l.vc, n)
		t.addRead(l)
	}
	if !ok || !t.kind.writes() {
		return
	}
	// A read-modify-write has just joined l.vc, so this keeps what others
	// released before; a store replaces it.
	copy(l.vc[:n], t.vc[:n])
	l.past = t.past
	t.vc[t.id]++
	if changed {
		x.version++
		t.writes++
		if l.writer != t.id {
			l.prev, l.writer = l.ver, t.id
		}
		l.ver = x.version
		x.strategy.progress()
	}
}

// plainRead checks a plain read against the last write.
func (x *X) plainRead(p unsafe.Pointer) {
	t := x.running
	x.flush(t)
	l := x.locs.get(p)
	if x.tr != nil {
		x.tr.plain(t, opRead, l)
	}
	if l.wtid >= 0 && l.wclk > t.vc[l.wtid] {
		x.race(t, opRead, l, l.wtid, opWrite)
	}
	l.rclk[t.id] = t.vc[t.id]
}

// plainWrite checks a plain write against the last write and all reads.
func (x *X) plainWrite(p unsafe.Pointer) {
	t := x.running
	x.flush(t)
	l := x.locs.get(p)
	if x.tr != nil {
		x.tr.plain(t, opWrite, l)
	}
	if l.wtid >= 0 && l.wclk > t.vc[l.wtid] {
		x.race(t, opWrite, l, l.wtid, opWrite)
	}
	for i, u := range x.threads {
		if l.rclk[i] > t.vc[i] {
			x.race(t, opWrite, l, u.id, opRead)
		}
	}
	l.wtid, l.wclk = t.id, t.vc[t.id]
}

// race fails the execution: t did now what is not ordered after what other
// did last.
func (x *X) race(t *Thread, now Kind, l *loc, other int, last Kind) {
	name, here, there := fmt.Sprintf("loc%d", l.id), "", ""
	if x.tr != nil {
		name = x.tr.name(l)
		here = " at " + x.tr.places[access{l.id, t.id, now}]
		there = " at " + x.tr.places[access{l.id, other, last}]
	}
	x.fail(fmt.Sprintf("data race on %s: the %s by %s%s is not ordered after the %s by %s%s",
		name, now, t.name, here, last, x.threads[other].name, there))
}
