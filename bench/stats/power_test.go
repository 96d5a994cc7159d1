package stats

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// machine is a model of a noisy machine: what the logarithm of a turn's figure is.
type machine struct {
	turn    float64 // deviation from turn to turn
	process float64 // deviation from process to process
	tail    float64 // how many turns of 100 are disturbed, by up to a factor of e
	mode    float64 // a second mode of the machine is so much slower, as a logarithm
	dwell   float64 // turns that a mode lasts, on average
	drift   float64 // a block
	skew    bool    // deviations from turn to turn are exponential, not normal
}

var machines = map[string]machine{
	"quiet":   {turn: 0.01, process: 0.005},
	"noisy":   {turn: 0.06, process: 0.015, tail: 5},
	"tails":   {turn: 0.03, process: 0.01, tail: 20},
	"bimodal": {turn: 0.03, process: 0.01, tail: 3, mode: 1, dwell: 40},
	"flicker": {turn: 0.03, process: 0.01, tail: 3, mode: 0.3, dwell: 10},
	"drift":   {turn: 0.03, process: 0.01, drift: 0.02},
	"skewed":  {turn: 0.08, process: 0.01, skew: true},
}

// simulate is a comparison on the machine, in which B is slower by delta, a
// logarithm.
func simulate(t testing.TB, m machine, rng *rand.Rand, delta, effect float64) (Judgement, int) {
	t.Helper()
	const rounds = 6
	plan, err := NewPlan(0.99, 60)
	require.NoError(t, err)
	metric := Metric{Name: "ns/op", Unit: Nanos, Better: Lower}
	var blocks []Block
	slow, level := false, 0.0
	for {
		level += m.drift
		var process [2][Copies]float64
		for a := range process {
			for c := range process[a] {
				process[a][c] = m.process * rng.NormFloat64()
			}
		}
		b := make(Block, rounds)
		for r := range b {
			b[r] = make([][Copies]float64, 2)
			for _, k := range rng.Perm(2 * Copies) {
				if m.dwell > 0 && rng.Float64() < 1/m.dwell {
					slow = !slow
				}
				a, c := k/Copies, k%Copies
				x := level + process[a][c] + delta*float64(a)
				if m.skew {
					x += m.turn * rng.ExpFloat64()
				} else {
					x += m.turn * rng.NormFloat64()
				}
				if rng.Float64() < m.tail/100 {
					x += rng.Float64()
				}
				if slow {
					x += m.mode
				}
				b[r][a][c] = 1000 * math.Exp(x)
			}
		}
		blocks = append(blocks, b)
		if !plan.Due(len(blocks)) {
			continue
		}
		j := Blocks(metric, blocks, 1, plan.At(), effect)
		if j.Verdict != Inconclusive || len(blocks) == plan.Most() {
			return j, len(blocks)
		}
	}
}

// At no difference "same" is said, and at one of the effect "worse", on every machine.
func TestPower(t *testing.T) {
	const runs = 100
	for name, m := range machines {
		t.Run(name, func(t *testing.T) {
			for _, x := range []struct {
				delta float64
				want  Verdict
			}{{0, Same}, {math.Log(1.05), Worse}, {-math.Log(1.05), BetterBy}} {
				rng := rand.New(rand.NewPCG(1, 2))
				got, blocks := map[Verdict]int{}, 0
				for range runs {
					j, n := simulate(t, m, rng, x.delta, 0.05)
					got[j.Verdict]++
					blocks += n
				}
				t.Logf("%+.3f: %v, %d blocks on average", x.delta, got, blocks/runs)
				assert.GreaterOrEqual(t, got[x.want], 97, "%+.3f: %v", x.delta, got)
			}
		})
	}
}
