package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	near = 70 // ns for a cache line to the other core; beyond that they are far apart
	hung = time.Minute
)

// effort is how carefully it is measured.
type effort struct {
	rounds int
	tries  int           // of a sample, until one is not disturbed
	turn   time.Duration // length of a sample, about
	most   time.Duration // no round begins that would end later; 0: all of them do
	whole  func() bool   // reports whether the cores run at full speed now; nil: nobody asks
}

var (
	thorough = effort{rounds: 25, tries: 8, turn: 1500 * time.Microsecond, most: 8 * time.Minute}
	quick    = effort{rounds: 1, tries: 1, turn: 200 * time.Microsecond}
)

// run gives every cell a turn in each round, each round in another order, so that
// whatever else the machine does concerns all of them. On a busy one, where samples are
// disturbed and taken again, it may have fewer rounds than it should: it says so.
func run(cells []*cell, e effort, progress io.Writer) (out []result, rounds int, skipped []string, err error) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	samples := make([][]sampled, len(cells))
	gone := make([]bool, len(cells))
	began := time.Now()
	for round := range e.rounds {
		rounds++
		for k := range cells {
			i := turnOf(round, k, len(cells))
			if gone[i] {
				continue
			}
			got, err := e.take(cells[i])
			if errors.Is(err, errGaveUp) {
				gone[i] = true
				skipped = append(skipped, fmt.Sprintf("%v: %v", cells[i].id, err))
			} else if err != nil {
				return nil, 0, nil, err
			}
			samples[i] = append(samples[i], got...)
		}
		runtime.GC()
		took := time.Since(began)
		fmt.Fprintf(progress, "\rround %d of %d, %.0f s ", rounds, e.rounds, took.Seconds())
		if next := took + took/time.Duration(rounds); e.most > 0 && next > e.most && rounds < e.rounds {
			skipped = append(skipped, fmt.Sprintf("%d rounds of %d: the machine is busy, the others took %v", e.rounds-rounds, e.rounds, took.Round(time.Second)))
			break
		}
	}
	fmt.Fprintln(progress)
	out = make([]result, len(cells))
	for i, c := range cells {
		out[i] = summary(c.id, samples[i])
	}
	return out, rounds, skipped, nil
}

// turnOf is whose turn is the k-th of a round, of n.
func turnOf(round, k, n int) int {
	stride := n*5/8 | 1
	for gcd(stride, n) != 1 {
		stride += 2
	}
	return (round*7 + k*stride) % n
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// take samples a cell until it was not disturbed, or it has been tried often enough.
func (e effort) take(c *cell) (out []sampled, err error) {
	defer time.AfterFunc(hung, func() {
		fmt.Fprintf(os.Stderr, "\nrivals: %v does not end: events are lost in it\n", c.id)
		os.Exit(1)
	}).Stop()
	for range e.tries {
		s := sampled{}
		if c.cores == 2 {
			const trips = 500
			took, _ := anchor(trips)
			s.anchor = float64(took.Nanoseconds()) / (2 * trips)
		}
		whole := e.whole == nil || e.whole()
		if s.turn, err = c.run(e.turn); err != nil {
			return nil, err
		}
		s.slowed = e.whole != nil && !e.whole() || !whole
		out = append(out, s)
		if s.quiet() && !s.far() {
			break
		}
		collect()
	}
	collect()
	return out, nil
}

// collect frees memory between samples, if there is much: no collection runs in one.
func collect() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 256<<20 {
		runtime.GC()
	}
}
