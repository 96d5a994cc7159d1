package stats

import (
	"math"
	"slices"
)

// Copies is how many processes of each arm take turns in a block: what two copies of
// the same differ by is the noise floor.
const Copies = 2

// Block is one repetition of a paired comparison: fresh processes, [Copies] of each arm,
// took turns for some rounds, in random order within a round. It holds one metric,
// by round, arm and copy.
//
// Why so. On a small virtual machine the speed of everything changes by a factor for
// seconds at a time, as the host moves the virtual CPUs; so what is compared must be
// a few hundredths of a second apart, and a few pairs that the change falls between
// must not matter: the median over the rounds. And a process is a bit faster or
// slower for its whole life, by where its memory lies; so processes are started anew
// for each block, and two of the same show how much that is.
type Block [][][Copies]float64

// logs are the differences of the logarithms of two values, each above 0.
func logs(out []float64, of, than float64) []float64 {
	if of > 0 && than > 0 {
		return append(out, math.Log(of/than))
	}
	return out
}

// Delta is the logarithm of arm's value by that of arm 0: the median over all
// pairs within a round. ok: there is one.
func (b Block) Delta(arm int) (delta float64, ok bool) {
	var d []float64
	for _, r := range b {
		for _, x := range r[arm] {
			for _, y := range r[0] {
				d = logs(d, x, y)
			}
		}
	}
	return middle(d)
}

// Floor is the same for the two copies of arm 0 and the two of arm. Nothing but
// chance makes it differ from 0.
func (b Block) Floor(arm int) (delta float64, ok bool) {
	var d []float64
	for _, r := range b {
		for _, a := range []int{0, arm} {
			d = logs(d, r[a][1], r[a][0])
		}
	}
	return middle(d)
}

func middle(d []float64) (float64, bool) {
	if len(d) == 0 {
		return 0, false
	}
	return median(d), true
}

// Values are all values of an arm.
func (b Block) Values(arm int) []float64 {
	var v []float64
	for _, r := range b {
		v = slices.AppendSeq(v, slices.Values(r[arm][:]))
	}
	return slices.DeleteFunc(v, math.IsNaN)
}
