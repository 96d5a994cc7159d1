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
	{"ring/mpsc.go", `	for i := range vs {
		*r.Slot(c, i) = vs[i]
	}
	r.Commit(c)`, `	if mutant("r02") {
		r.Commit(c)
	}
	for i := range vs {
		*r.Slot(c, i) = vs[i]
	}
	if mutant("r02") {
		return OK
	}
	r.Commit(c)`},
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
}
