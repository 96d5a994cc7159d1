package render

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

// The table of many ranks: clients and a server, one that was lost, one with violations,
// and one whose flow was too short for p99; a second repetition has a table of its own.
func TestNodesGolden(t *testing.T) {
	lat := func(samples int, base int64) *bench.Summary {
		h := bench.NewHist()
		for i := range samples {
			h.Record(base + int64(i))
		}
		s := h.Summary()
		return &s
	}
	f := &result.File{Reps: []*bench.Report{{}, {}}, Nodes: []result.Node{
		{Rank: 0, Host: "alpha", Role: "server", Flows: 3, Operations: 3300, Rate: 1234567.8, Sent: 3300, Received: 3300},
		{Rank: 1, Host: "alpha", Role: "client", Flows: 1, Operations: 1000, Rate: 50000, Latency: lat(2000, 12_000), Sent: 1100, Received: 1100},
		{Rank: 2, Host: "b", Role: "client", Flows: 1, Operations: 30, Rate: 40000, Latency: lat(30, 1_500_000), Sent: 33, Received: 33, Violations: 2},
		{Rank: 3, Host: "b", Role: "client", Lost: "rank 3 on b has died, or cannot be reached: EOF"},
		{Rep: 1, Rank: 0, Host: "alpha", Role: "both", Flows: 2, Operations: 10, Rate: 9.6, Latency: lat(2000, 5), Sent: 20, Received: 20},
		{Rep: 1, Rank: 1, Host: "b", Role: "both", Flows: 2, Operations: 10, Rate: 9.6, Latency: &bench.Summary{}, Sent: 20, Received: 20},
	}}
	var b bytes.Buffer
	require.NoError(t, nodes(&b, f))
	golden(t, "ranks.txt", b.Bytes())
}
