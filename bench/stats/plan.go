package stats

import (
	"fmt"
	"math"
	"slices"
)

// Plan is a sequential comparison: after which numbers of blocks to look at the
// figures, and with which confidence, so that one may stop as soon as a look gives a
// verdict and yet be wrong no more often than promised.
//
// The looks share the probability of error evenly (Bonferroni; repeated confidence
// intervals): the intervals of all looks hold the truth together with the confidence
// of the plan, however it is decided when to stop. The looks are fixed beforehand.
type Plan struct {
	Confidence float64 `json:"confidence"` // of all looks together
	Looks      []int   `json:"looks"`      // numbers of blocks, ascending
}

// growth is how much more blocks there are at a look than at the one before: enough
// for something new to be seen, and not so many that a verdict is late.
const growth = 1.4

// NewPlan plans at most so many blocks. The error says how many it takes at least.
func NewPlan(confidence float64, most int) (Plan, error) {
	// The fewer looks, the sooner the first: it needs enough blocks for an
	// interval at its confidence.
	for looks := 6; looks > 0; looks-- {
		first := Needs(1 - (1-confidence)/float64(looks))
		p := Plan{Confidence: confidence, Looks: []int{first}}
		for len(p.Looks) < looks {
			n := float64(p.Looks[len(p.Looks)-1]) * growth
			p.Looks = append(p.Looks, int(math.Ceil(n)))
		}
		p.Looks[looks-1] = max(p.Looks[looks-1], most) // the last uses all there is
		if p.Looks[looks-1] <= most && slices.IsSorted(p.Looks) {
			return p, nil
		}
	}
	return Plan{}, fmt.Errorf("must be %d or more for an interval of %g %%", Needs(confidence), 100*confidence)
}

// Needs is how many blocks there must be for an interval of that confidence.
func Needs(confidence float64) int {
	// The largest interval is wrong when all differences have the same sign.
	return 1 + int(math.Ceil(math.Log2(1/(1-confidence))-1e-9))
}

// At is the confidence of each look.
func (p Plan) At() float64 { return 1 - (1-p.Confidence)/float64(len(p.Looks)) }

// Due tells whether n blocks are one of the looks.
func (p Plan) Due(n int) bool { return slices.Contains(p.Looks, n) }

// Most is how many blocks there are at most.
func (p Plan) Most() int { return p.Looks[len(p.Looks)-1] }
