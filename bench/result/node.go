package result

import "github.com/evdengine/evd/bench"

// Node is what one rank of many has done in one repetition.
type Node struct {
	Rep   int    `json:"rep"`  // 0: the first
	Rank  int    `json:"rank"` // 0: who has gathered all
	Host  string `json:"host"`
	Role  string `json:"role"`  // client, server or both
	Flows int    `json:"flows"` // it has a part in

	// Operations and Rate are of the flows in which it is the client, and which it has
	// measured; of a mere server's what has come to it, warm-up included.
	Operations uint64  `json:"operations"`
	Rate       float64 `json:"per_second"`

	// Latency, with its Histogram, is of the flows in which it is the client; nil: of
	// none.
	Latency   *bench.Summary `json:"latency,omitempty"`
	Histogram *bench.Hist    `json:"histogram,omitempty"`

	Sent       uint64 `json:"sent"`     // messages, warm-up included
	Received   uint64 `json:"received"` // messages, each checked for its number
	Violations int    `json:"violations"`
	Lost       string `json:"lost,omitempty"` // why it has given no result, or not all
}

// Fairness is the least rate of a client among the nodes over the greatest, 0..1: 1
// where all get the same. ok is false with fewer than two clients that have told.
func Fairness(nodes []Node) (ratio float64, ok bool) {
	least, most, n := 0.0, 0.0, 0
	for _, x := range nodes {
		if x.Role == "server" || x.Flows == 0 {
			continue
		}
		if n++; n == 1 || x.Rate < least {
			least = x.Rate
		}
		most = max(most, x.Rate)
	}
	if n < 2 || most == 0 {
		return 0, false
	}
	return least / most, true
}
