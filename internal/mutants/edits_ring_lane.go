package main

// ringEditsLane are the edits that make them.
var ringEditsLane = []edit{
	{"ring/lane.go", `	s := l.Slots(c, 0)
`, `	if mutant("y01") {
		l.Commit(c)
	}
	s := l.Slots(c, 0)
`},
	{"ring/lane.go", `	if t >= l.limit {
		if l.limit = l.freed.Load() + l.size; t >= l.limit { // [Y1]
			return false
		}
	}
`, `	if t >= l.limit {
		if l.limit = l.freed.Load() + l.size + pick[uint64](mutant("y05"), 1, 0); t >= l.limit { // [Y1]
			return false
		}
	}
	if mutant("y02") {
		l.tail.Store(t + 1)
	}
`},
	{"ring/lane.go", `	storeRelease(&l.tail, c.pos+c.n)`, `	storeRelease(&l.tail, c.pos+c.n+pick[uint64](mutant("y03"), 1, 0))`},
	{"ring/lane.go", `	if t+n > l.limit {`, `	if t+n > l.limit && !mutant("y06") {`},
	{"ring/lane.go", `		l.limit = l.freed.Load() + l.size
`, `		l.limit = l.freed.Load() + l.size + pick[uint64](mutant("y04"), 1, 0)
`},
	{"ring/lane.go", `	l.tail.Store(l.tail.Load() | closedBit)`, `	if mutant("y14") {
		l.tail.Store(l.freed.Load() | closedBit)
		return
	}
	l.tail.Store(l.tail.Load() | closedBit)`},
	{"ring/laneconsumer.go", `		if l.seen = l.tail.Load() & posMask; h == l.seen { // [Y5]
			return false
		}
	}
`, `		if l.seen = l.tail.Load() & pick[uint64](mutant("y15"), posMask|closedBit, posMask); h == l.seen || mutant("y11") && h > 0 { // [Y5]
			return false
		}
	}
	if mutant("y07") {
		storeRelease(&l.freed, h+1)
	}
`},
	{"ring/laneconsumer.go", `	if h-l.credited >= l.slack {`, `	if h-l.credited >= l.slack+pick[uint64](mutant("y10"), 1, 0) {`},
	{"ring/laneconsumer.go", `	if l.head-l.credited > l.slack {`, `	if l.head-l.credited > l.slack+pick[uint64](mutant("y09"), 1, 0) {`},
	{"ring/laneconsumer.go", `	l.lent = l.head + n
`, `	l.lent = l.head + n
	if mutant("y08") {
		storeRelease(&l.freed, l.lent)
	}
`},
	{"ring/laneconsumer.go", `l.committed(), l.size-l.head&l.mask)`, `l.committed(), l.size-pick(mutant("y16"), 0, l.head&l.mask))`},
	{"ring/laneconsumer.go", `	l.freed.Store(l.head) // [Y6]`, `	if mutant("y12") {
		return
	}
	l.freed.Store(l.head) // [Y6]`},
	{"ring/laneconsumer.go", `	f := l.freed.Load() // [Y7] the credit first, as [P6]; acquire, pairs with [Y4]
`, `	if mutant("y13") {
		t := l.tail.Load() & posMask
		return l.freed.Load() == t
	}
	f := l.freed.Load() // [Y7] the credit first, as [P6]; acquire, pairs with [Y4]
`},
	{"ring/laneconsumer.go", `	l.credit()
	return Empty
}

// committed`, `	if !mutant("y17") {
		l.credit()
	}
	return Empty
}

// committed`},
}
