// Package sweep plans runs over a matrix of settings, and searches for the highest rate
// that keeps a limit.
//
// The package runs nothing itself, and neither prints nor exits.
package sweep

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
)

// MaxCells bounds a plan.
const MaxCells = 10_000

// Axis is a setting and the values that it is to take, in order.
type Axis struct {
	Name   string
	Values []string
}

// Setting is one setting of a cell.
type Setting struct{ Name, Value string }

// Cell is one combination, in the order of the axes.
type Cell []Setting

// String is "mode=spin depth=64".
func (c Cell) String() string {
	words := make([]string, len(c))
	for i, s := range c {
		words[i] = s.Name + "=" + s.Value
	}
	return strings.Join(words, " ")
}

// Plan returns every combination of the axes, the last axis fastest. Without axes it is
// one cell. The error is about more than MaxCells.
func Plan(axes []Axis) ([]Cell, error) {
	cells := []Cell{{}}
	for _, a := range axes {
		if len(a.Values) == 0 || len(cells) > MaxCells/len(a.Values) {
			return nil, fmt.Errorf("sweep: 1..%d cells can be run, not %d times %d", MaxCells, len(cells), len(a.Values))
		}
		next := make([]Cell, 0, len(cells)*len(a.Values))
		for _, c := range cells {
			for _, v := range a.Values {
				next = append(next, append(c[:len(c):len(c)], Setting{a.Name, v}))
			}
		}
		cells = next
	}
	return cells, nil
}

// Shuffled is a random order of 0..n-1. Equal seeds give equal orders.
func Shuffled(n int, seed uint64) []int {
	return rand.New(rand.NewPCG(seed, 0)).Perm(n)
}

// List takes a list apart: values with commas between them, or semicolons if there are
// any, each a value or a range of whole numbers, FROM..TO (each), FROM..TO+STEP or
// FROM..TO*FACTOR, with k, M and G for thousands. The error says what is allowed.
func List(s string) ([]string, error) {
	sep := ","
	if strings.Contains(s, ";") {
		sep = ";"
	}
	var all []string
	for _, word := range strings.Split(s, sep) {
		word = strings.TrimSpace(word)
		if word == "" {
			return nil, fmt.Errorf("must be a list of values, with %q between them and none empty", sep)
		}
		from, rest, isRange := strings.Cut(word, "..")
		if !isRange {
			all = append(all, word)
			continue
		}
		values, ok := expand(from, rest)
		if !ok {
			return nil, fmt.Errorf("must be a list of values or ranges such as 1..4, 0..100+20 or 64..4096*2, of %d values at most, and %q is none", MaxCells, word)
		}
		all = append(all, values...)
	}
	return all, nil
}

func expand(first, rest string) (values []string, ok bool) {
	step, factor := uint64(1), uint64(1)
	last, by, scaled := strings.Cut(rest, "*")
	if scaled {
		step = 0
		factor, ok = number(by)
		if !ok || factor < 2 {
			return nil, false
		}
	} else if last, by, ok = strings.Cut(rest, "+"); ok {
		if step, ok = number(by); !ok || step == 0 {
			return nil, false
		}
	}
	from, ok1 := number(first)
	to, ok2 := number(last)
	if !ok1 || !ok2 || from > to || scaled && from == 0 {
		return nil, false
	}
	for v := from; v <= to; v = v*factor + step {
		if len(values) == MaxCells {
			return nil, false
		}
		values = append(values, strconv.FormatUint(v, 10))
	}
	return values, true
}

// number reads a whole number small enough not to overflow when it is scaled once more.
func number(s string) (uint64, bool) {
	unit := uint64(1)
	for _, u := range []struct {
		suffix string
		n      uint64
	}{{"k", 1e3}, {"M", 1e6}, {"G", 1e9}} {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = rest, u.n
			break
		}
	}
	v, err := strconv.ParseUint(s, 10, 64)
	return v * unit, err == nil && v <= math.MaxInt32/unit
}
