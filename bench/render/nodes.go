package render

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

// nodes is the table of a run of many ranks, one for each repetition.
func nodes(w io.Writer, f *result.File) error {
	var b strings.Builder
	for _, all := range nodesOf(f) {
		nodeTable(&b, all)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// nodesOf are the nodes of each repetition that has some.
func nodesOf(f *result.File) [][]result.Node {
	var reps [][]result.Node
	for rep := range f.Reps {
		var all []result.Node
		for _, n := range f.Nodes {
			if n.Rep == rep {
				all = append(all, n)
			}
		}
		if len(all) > 0 {
			reps = append(reps, all)
		}
	}
	return reps
}

// nodeRows has a row for each rank, and one of all. The first row is the head.
func nodeRows(all []result.Node) [][]string {
	rows := [][]string{{"rank", "host", "role", "rate/s", "p50 ns", "p99 ns", "max ns", "sent", "received", "violations"}}
	var sent, received uint64
	violations := 0
	for _, n := range all {
		p50, p99, most := latencies(n.Latency)
		rate := "-"
		if n.Operations > 0 {
			rate = spaced(uint64(math.Round(n.Rate)))
		}
		rows = append(rows, []string{
			strconv.Itoa(n.Rank), n.Host, n.Role, rate, p50, p99, most, spaced(n.Sent), spaced(n.Received), strconv.Itoa(n.Violations),
		})
		sent, received, violations = sent+n.Sent, received+n.Received, violations+n.Violations
	}
	return append(rows, []string{"all", "", "", "", "", "", "", spaced(sent), spaced(received), strconv.Itoa(violations)})
}

func nodeTable(b *strings.Builder, all []result.Node) {
	b.WriteByte('\n')
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, row := range nodeRows(all) {
		fmt.Fprintln(tw, strings.Join(row, "\t")+"\t")
	}
	tw.Flush()
	for _, s := range nodeNotes(all) {
		fmt.Fprintf(b, "%-12s  %s\n", s[0], s[1])
	}
}

// nodeNotes are what is said below the table, each with its title.
func nodeNotes(all []result.Node) (notes [][2]string) {
	for _, n := range all {
		if n.Lost != "" {
			notes = append(notes, [2]string{"lost", n.Lost})
		}
	}
	if ratio, ok := result.Fairness(all); ok {
		notes = append(notes, [2]string{"fairness", fmt.Sprintf("%.2f: the least rate of a client over the greatest", ratio)})
	}
	return notes
}

// latencies are those of a table.
func latencies(s *bench.Summary) (p50, p99, most string) {
	p50, p99, most = "-", "-", "-"
	if s == nil || s.Samples == 0 {
		return p50, p99, most
	}
	for _, p := range s.Percentiles {
		v := "n/a"
		if p.Nanos != nil {
			v = spaced(uint64(max(*p.Nanos, 0)))
		}
		switch p.P {
		case 50:
			p50 = v
		case 99:
			p99 = v
		}
	}
	return p50, p99, spaced(uint64(max(s.Max, 0)))
}

// spaced writes 1234567 as 1 234 567.
func spaced(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
