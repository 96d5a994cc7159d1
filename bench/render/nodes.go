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
	for rep := range f.Reps {
		var all []result.Node
		for _, n := range f.Nodes {
			if n.Rep == rep {
				all = append(all, n)
			}
		}
		if len(all) > 0 {
			nodeTable(&b, all)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func nodeTable(b *strings.Builder, all []result.Node) {
	b.WriteByte('\n')
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, "rank\thost\trole\trate/s\tp50 ns\tp99 ns\tmax ns\tsent\treceived\tviolations\t")
	var sent, received uint64
	violations := 0
	for _, n := range all {
		p50, p99, most := latencies(n.Latency)
		rate := "-"
		if n.Operations > 0 {
			rate = spaced(uint64(math.Round(n.Rate)))
		}
		fmt.Fprintf(tw, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\t\n", n.Rank, n.Host, n.Role,
			rate, p50, p99, most, spaced(n.Sent), spaced(n.Received), n.Violations)
		sent, received, violations = sent+n.Sent, received+n.Received, violations+n.Violations
	}
	fmt.Fprintf(tw, "all\t\t\t\t\t\t\t%s\t%s\t%d\t\n", spaced(sent), spaced(received), violations)
	tw.Flush()
	for _, n := range all {
		if n.Lost != "" {
			fmt.Fprintf(b, "%-12s  %s\n", "lost", n.Lost)
		}
	}
	if ratio, ok := result.Fairness(all); ok {
		fmt.Fprintf(b, "%-12s  %.2f: the least rate of a client over the greatest\n", "fairness", ratio)
	}
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
