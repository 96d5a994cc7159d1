package main

// ringEditsResize are the edits that make them.
var ringEditsResize = []edit{
	{"ring/resize.go", `	old.next.Store(r) // [Z2]`, `	if mutant("z09") {
		r.begin(old.tail.Load() & posMask)
		c.in.Store(r)
	}
	if mutant("z01") {
		t := old.tail.Load()
		r.begin(t)
		if !old.tail.CompareAndSwap(t, t|sealedBit) {
			return 0, OK, nil
		}
	}
	old.next.Store(r) // [Z2]`},
	{"ring/resize.go", `		if st, held := c.fits(n, besides, t); st != OK {
			old.next.Store(nil)`, `		if mutant("z01") {
			break
		}
		if st, held := c.fits(pick(mutant("z11"), MaxCapacity, n), besides, t); st != OK {
			old.next.Store(nil)`},
	{"ring/resize.go", `	if t&closedBit != 0 {
		return Closed, 0
	}`, `	if t&closedBit != 0 && !mutant("z04") {
		return Closed, 0
	}
	t &= posMask`},
	{"ring/resize.go", `		r.begin(t)
		// [Z5]`, `		r.begin(t & posMask)
		if mutant("z06") {
			old.tail.Or(sealedBit)
			break
		}
		// [Z5]`},
	{"ring/resize.go", `		if r != end && r.Held() == 0 {`, `		if r != end && (r.Held() == 0 && !mutant("z10") || mutant("z08")) {`},
	{"ring/resize.go", `			p.next.Store(r.next.Load())
`, `			p.next.Store(r.next.Load())
			if mutant("z12") {
				r.next.Store(nil)
			}
`},
	{"ring/chain.go", `	for r.tail.Or(closedBit)&sealedBit != 0 {`, `	for r.tail.Or(closedBit)&sealedBit != 0 && !mutant("z02") {`},
	{"ring/chain.go", `		if t&sealedBit == 0 {
			return t`, `		if t&sealedBit == 0 || mutant("z05") {
			return t`},
	{"ring/chainconsumer.go", `	t := r.tail.Load()
	atom`, `	t := r.tail.Load()
	if mutant("z03") && t&sealedBit != 0 {
		return Empty, true
	}
	atom`},
	{"ring/chainconsumer.go", `	r.credit()
	return Empty, t&sealedBit != 0`, `	r.credit()
	if mutant("z07") {
		t = r.tail.Load()
	}
	return Empty, t&sealedBit != 0`},
	{"ring/chainconsumer.go", `	for n < limit && r.next`, `	for n < limit && !mutant("z13") && r.next`},
	{"ring/mpsc.go", `	if t&sealedBit != 0 {
		return sealed
	}
	return Closed`, `	if t&sealedBit != 0 && !(mutant("z14") && t&closedBit != 0) {
		return sealed
	}
	return Closed`},
}
