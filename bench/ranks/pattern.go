package ranks

import "fmt"

// Patterns.
const (
	Pairs    = "pairs"      // rank 0 to 1, 2 to 3, ..
	Ring     = "ring"       // each to the next, the last to the first
	Incast   = "incast"     // all others to rank 0
	AllToAll = "all-to-all" // each to each
)

// Patterns lists their names, the default first.
func Patterns() []string { return []string{Pairs, Ring, Incast, AllToAll} }

// flow is a connection between two ranks. Clients send (bw), or ask (lat), and
// measure.
type flow struct{ client, server int }

func (f flow) String() string { return fmt.Sprintf("%d→%d", f.client, f.server) }

// flows are those of a pattern among n ranks.
func flows(pattern string, n int) (all []flow) {
	switch pattern {
	case Pairs:
		for i := 0; i+1 < n; i += 2 {
			all = append(all, flow{i, i + 1})
		}
	case Ring:
		for i := range n {
			all = append(all, flow{i, (i + 1) % n})
		}
	case Incast:
		for i := 1; i < n; i++ {
			all = append(all, flow{i, 0})
		}
	case AllToAll:
		for i := range n {
			for j := range n {
				if i != j {
					all = append(all, flow{i, j})
				}
			}
		}
	}
	return all
}

// role says what a rank does in them.
func role(all []flow, rank int) string {
	client, server := false, false
	for _, f := range all {
		client = client || f.client == rank
		server = server || f.server == rank
	}
	switch {
	case client && server:
		return "both"
	case client:
		return "client"
	}
	return "server"
}
