package main

// ringEdits are the edits that make them.
var ringEdits = []edit{
	{"ring/mpsc.go", `	*r.Slot(c, 0) = *v
	r.Commit(c)
`, `	if mutant("r01") {
		r.Commit(c)
		*r.Slot(c, 0) = *v
		return OK
	}
	*r.Slot(c, 0) = *v
	r.Commit(c)
`},
	{"ring/mpsc.go", `	s := r.Slots(c, 0)
`, `	if mutant("r02") {
		r.Commit(c)
	}
	s := r.Slots(c, 0)
`},
	{"ring/mpsc.go", `		t := r.tail.Load()
		if t&^posMask != 0 {
			return Claim{}, stopped(t)
		}
		// [P2]`, `		var f uint64
		if mutant("r03") {
			f = r.freed.Load()
		}
		t := r.tail.Load()
		if t&^posMask != 0 && !mutant("r04") {
			return Claim{}, stopped(t)
		}
		if !mutant("r03") {
			f = r.freed.Load()
		}
		// [P2]`},
	{"ring/mpsc.go", `		if int64(t+uint64(n)-r.freed.Load()) > int64(r.size) {`, `		if int64(t+uint64(n)-f) > int64(r.size)+pick[int64](mutant("r05"), 1, 0) || mutant("r06") && t+uint64(n)-f > r.size {`},
	{"ring/mpsc.go", `		if r.tail.CompareAndSwap(t, t+uint64(n)) {`, `		if mutant("r07") {
			r.tail.Store(t + uint64(n))
			return Claim{t, uint64(n)}, OK
		}
		if r.tail.CompareAndSwap(t, t+uint64(n)) {`},
	{"ring/mpsc.go", `		c := Claim{t, uint64(min(int64(n), room, int64(r.size)))}`, `		c := Claim{t, uint64(min(int64(n), pick(mutant("r08"), room+1, room), int64(r.size)+pick[int64](mutant("r08"), 1, 0)))}`},
	{"ring/mpsc.go", `		if r.tail.CompareAndSwap(t, t+c.n) { // [P3]`, `		if mutant("r09") {
			r.tail.Store(t + c.n)
			return c, OK
		}
		if r.tail.CompareAndSwap(t, t+c.n) { // [P3]`},
	{"ring/mpsc.go", `	r.seq[c.pos&r.mask].Store(c.pos + c.n)`, `	r.seq[c.pos&r.mask].Store(c.pos + c.n - pick[uint64](mutant("r10") && c.n > 1, 1, 0))`},
	{"ring/mpsc.go", `	r.tail.Or(closedBit) // [P5]`, `	if mutant("r11") {
		r.tail.Store(r.tail.Load() | closedBit)
		return
	}
	r.tail.Or(closedBit) // [P5]`},
	{"ring/mpsc.go", `	f := r.freed.Load()
	return f ==`, `	if mutant("r12") {
		t := r.tail.Load() & posMask
		return r.freed.Load() == t
	}
	f := r.freed.Load()
	return f ==`},
	{"ring/mpsc.go", `	storeRelease(&r.seq[c.pos&r.mask], c.pos+c.n)`, `	storeRelease(&r.seq[c.pos&r.mask], c.pos+c.n+pick[uint64](mutant("r33"), 1, 0))`},
	{"ring/consumer.go", `	if r.tail.Load()&posMask != r.head {
		return InFlight`, `	if r.tail.Load()&posMask != r.head && !mutant("r13") {
		return InFlight`},
	{"ring/consumer.go", `	if e := r.seq[r.head&r.mask].Load(); e > r.head {`, `	if e := r.seq[r.head&r.mask].Load(); e > r.head || mutant("r14") && e != 0 {
		if mutant("r14") {
			e = r.head + 1
		}`},
	{"ring/consumer.go", `		if e <= r.runEnd {
			break
		}
		r.runEnd = e
	}
	n := min`, `		if mutant("r15") {
			e = r.runEnd + 1
		}
		if e <= r.runEnd {
			break
		}
		r.runEnd = e
	}
	n := min`},
	{"ring/consumer.go", `	most := min(uint64(limit), r.size-i)`, `	most := min(uint64(limit), r.size-pick(mutant("r16"), 0, i))`},
	{"ring/consumer.go", `	if r.head-r.credited > r.slack {`, `	if r.head-r.credited > r.slack+pick[uint64](mutant("r17"), 1, 0) {`},
	{"ring/consumer.go", `		r.freed.Store(r.head)`, `		r.freed.Store(r.head + pick[uint64](mutant("r18"), 1, 0))`},
	{"ring/consumer.go", `	p := &r.slots[r.head&r.mask]
`, `	if mutant("r19") {
		r.freed.Store(r.head + 1)
	}
	p := &r.slots[r.head&r.mask]
`},
	{"ring/consumer.go", `	r.lent = r.head + n
`, `	r.lent = r.head + n
	if mutant("r20") {
		r.freed.Store(r.lent)
	}
`},
	{"ring/consumer.go", `	r.credit()
	return Empty`, `	if !mutant("r21") {
		r.credit()
	}
	return Empty`},
	{"ring/try.go", `	if t-r.freed.Load() < r.size && r.tail.CompareAndSwap(t, t+1) { // [P2] [P3]
`, `	if mutant("r23") {
		t &^= closedBit
	}
	size := r.size + pick[uint64](mutant("r24"), 1, 0)
	if mutant("r22") && t-r.freed.Load() < size {
		r.seq[t&r.mask].Store(t + 1)
	}
	if mutant("r25") && t-r.freed.Load() < size {
		r.tail.Store(t + 1)
		t0 := t & r.mask
		atom.PlainWrite(unsafe.Pointer(&r.slots[t0]))
		r.slots[t0] = *v
		r.seq[t0].Store(t + 1)
		return true
	}
	if t-r.freed.Load() < size && (r.tail.CompareAndSwap(t, t+1) || mutant("r23") && r.tail.CompareAndSwap(t|closedBit, t+1)) {
`},
	{"ring/try.go", `	if r.seq[h&r.mask].Load() != h+1 {
		return false
	}
	if atom`, `	if e := r.seq[h&r.mask].Load(); e != h+1 && !(mutant("r26") && e > h) && !(mutant("r27") && e != 0) {
		return false
	}
	if mutant("r28") {
		r.freed.Store(h + 1)
	}
	if atom`},
	{"ring/try.go", `	if h-r.credited >= r.slack {`, `	if h-r.credited >= r.slack+pick[uint64](mutant("r29"), 1, 0) {`},
	{"ring/try.go", `		t+uint64(n)-r.freed.Load() <= r.size &&`, `		t+uint64(n)-r.freed.Load() <= r.size+pick[uint64](mutant("r30"), 1, 0) &&`},
	{"ring/try.go", `	return Claim{t, uint64(n)}, uint64(n-1) < r.capacity &&`, `	return Claim{t, uint64(n)}, (uint64(n-1) < r.capacity || mutant("r31")) &&`},
	{"ring/consumer.go", `	if r.head < r.runEnd {`, `	if r.head < r.runEnd || mutant("r32") && r.head != r.runEnd {`},
}
