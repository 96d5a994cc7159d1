package ring

import (
	"testing"

	"pgregory.net/rapid"
)

// TestModel runs sequences of operations on a ring and on the model. A failure
// is reported as the shortest sequence that shows it.
func TestModel(t *testing.T) {
	for range 10 { // of a hundred sequences each
		rapid.Check(t, modelSequence)
	}
}

func modelSequence(t *rapid.T) {
	capacity := rapid.IntRange(1, 20).Draw(t, "capacity")
	pos := rapid.OneOf(rapid.SampledFrom(positions), rapid.Uint64Range(0, 1<<62-1<<20)).Draw(t, "position")
	r, err := New[uint32](capacity)
	if err != nil {
		t.Fatal(err)
	}
	seed(r, pos)
	m := &model{t: t, r: r, pos: pos, given: true}
	draw := func(low, high int, name string) int { return rapid.IntRange(low, high).Draw(t, name) }
	t.Repeat(map[string]func(*rapid.T){
		"":             func(*rapid.T) { m.check() },
		"push":         func(*rapid.T) { m.push() },
		"pushN":        func(*rapid.T) { m.pushN(draw(0, capacity+1, "n")) },
		"reserve":      func(*rapid.T) { m.reserve(draw(-1, capacity+1, "n")) },
		"reserveUpTo":  func(*rapid.T) { m.reserveUpTo(draw(-1, 2*capacity, "n")) },
		"commit":       func(*rapid.T) { m.commit(draw(0, max(0, len(m.claims)-1), "which")) },
		"commit first": func(*rapid.T) { m.commit(0) },
		"pop":          func(*rapid.T) { m.pop() },
		"popN":         func(*rapid.T) { m.popN(draw(0, capacity+1, "n")) },
		"ready":        func(*rapid.T) { m.readyAdvance(draw(-1, capacity+1, "limit"), draw(-1, capacity+1, "advance")) },
		"tryPush":      func(*rapid.T) { m.tryPush() },
		"tryReserve":   func(*rapid.T) { m.tryReserve(draw(-1, capacity+1, "n")) },
		"tryPop":       func(*rapid.T) { m.tryPop() },
		"tryPeek":      func(*rapid.T) { m.tryPeek() },
		"ready, tryPop": func(*rapid.T) {
			m.readyTryPop(draw(1, capacity+1, "limit"), draw(0, capacity+1, "advance"))
		},
		"look":   func(*rapid.T) { m.look() },
		"return": func(*rapid.T) { m.r.Return(); m.given = true },
		"close": func(t *rapid.T) {
			if draw(0, 7, "rarely") > 0 { // it ends the fun
				t.Skip()
			}
			m.r.Close()
			m.closed = true
		},
	})
	m.finish()
}
