package main

// mockEdits are the edits that make them.
var mockEdits = []edit{
	{"hwcq/mock/arm.go", `armCountOne | max(state, want)`, `armCountOne | pick(mutant("k01"), want, max(state, want))`},
	{"hwcq/mock/arm.go", `		if a.w.CompareAndSwap(old, word) {`, `		if mutant("k02") {
			a.w.Store(word)
			return
		}
		if a.w.CompareAndSwap(old, word) {`},
	{"hwcq/mock/arm.go", `	if c.failed.Load() {
		// The overrun`, `	if c.failed.Load() && !mutant("k07") {
		// The overrun`},
	{"hwcq/mock/arm.go", `		if c.arm.w.CompareAndSwap(old, old&^armStateMask) {`, `		if mutant("k03") {
			c.arm.w.Store(old &^ armStateMask)
			break
		}
		if c.arm.w.CompareAndSwap(old, old&^armStateMask) {`},
	{"hwcq/mock/arm.go", `		if state == disarmed ||`, `		if mutant("k04") || state == disarmed ||`},
	{"hwcq/mock/producers.go", `	if prod.Load() != first {
`, `	if prod.Load() != first && !mutant("k05") {
`},
	{"hwcq/mock/producers.go", `	awaitTurn(prod, uint32(p.tail.Or(closedBit)))`, `	if n := uint32(p.tail.Or(closedBit)); !mutant("k06") {
		awaitTurn(prod, n)
	}`},
}
