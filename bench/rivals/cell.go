package main

import (
	"fmt"
	"time"
)

// slots is the size of every queue, in events.
const slots = 1024

// id says what is measured. Two cells that differ in nothing but impl are rivals.
type id struct {
	Shape     string `json:"shape"`               // U1, UB, ...
	Impl      string `json:"impl"`                // whose
	Event     int    `json:"event,omitempty"`     // bytes
	Batch     int    `json:"batch,omitempty"`     // events, where the shape has batches
	Producers int    `json:"producers,omitempty"` // where the shape leaves it open
	Count     int    `json:"count,omitempty"`     // EVDs, where the shape leaves it open
	Gap       int    `json:"gap_us,omitempty"`    // microseconds between wake-ups
}

func (c id) String() string {
	s := c.Shape + "/impl=" + c.Impl
	for _, f := range []struct {
		name  string
		value int
	}{{"event", c.Event}, {"batch", c.Batch}, {"producers", c.Producers}, {"count", c.Count}, {"gap", c.Gap}} {
		if f.value != 0 {
			s += fmt.Sprintf("/%s=%d", f.name, f.value)
		}
	}
	return s
}

// cell is one thing that is timed, in a turn of a few milliseconds at a time.
type cell struct {
	id    id
	cores int                                      // 2: its threads have a core each, which must be near each other
	run   func(target time.Duration) (turn, error) // about as long as target
}

// turn is one sample.
type turn struct {
	ns        float64 // per event
	disturbed int64   // involuntary context switches meanwhile
}

// native makes a cell of a function that does something n times and says how long that
// took. How many times fit into a turn is found out by and by.
func native(c id, cores int, unit uint64, do func(n uint64) (took time.Duration, disturbed int64, err error)) *cell {
	n := unit
	return &cell{c, cores, func(target time.Duration) (turn, error) {
		for {
			took, disturbed, err := do(n)
			if err != nil {
				return turn{}, fmt.Errorf("%v, %d events: %w", c, n, err)
			}
			done := n
			n = fitting(n, unit, took, target)
			if took >= target/4 || disturbed > 0 {
				return turn{float64(took.Nanoseconds()) / float64(done), disturbed}, nil
			}
		}
	}}
}

// fitting is how many times fit into target if n took that long: a multiple of unit, at
// most eight times n.
func fitting(n, unit uint64, took, target time.Duration) uint64 {
	next := 8 * n
	if took > target/8 {
		next = uint64(float64(n) * float64(target) / float64(took))
	}
	return max(next/unit, 1) * unit
}

// wrongSum is what a queue that lost, doubled or made up events is told.
func wrongSum(n, sum uint64) error {
	if want := n * (n + 1) / 2; sum != want {
		return fmt.Errorf("the sum of the numbers that came is %d, want %d", sum, want)
	}
	return nil
}
