package bench

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// latency writes service time and response time. Service time alone needs no name.
func (t *texter) latency(r *Report) {
	s, x := r.Results.Latency, r.Results.Response
	const title = "latency (ns)"
	name := "service"
	if x == nil {
		name = ""
	}
	head := []string{title, "min"}
	for _, p := range s.Percentiles {
		head = append(head, p.Name())
	}
	t.b.WriteByte('\n')
	tw := tabwriter.NewWriter(&t.b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(tw, strings.Join(append(head, "max", "mean", "sd", "samples"), "\t")+"\t")
	fmt.Fprintln(tw, strings.Join(s.row(fmt.Sprintf("%*s", len(title), name)), "\t")+"\t")
	if x != nil {
		fmt.Fprintln(tw, strings.Join(x.row("response"), "\t")+"\t")
	}
	tw.Flush()
	t.needs(s)
	t.b.WriteByte('\n')
}

// row is the summary in columns.
func (s *Summary) row(name string) []string {
	row := []string{name, group(s.Min)}
	for _, p := range s.Percentiles {
		if p.Nanos == nil {
			row = append(row, "n/a")
			continue
		}
		row = append(row, group(*p.Nanos))
	}
	row = append(row, group(s.Max), group(int64(math.Round(s.Mean))), group(int64(math.Round(s.StdDev))))
	if s.Samples == 0 {
		for i := range row[1:] {
			row[i+1] = "n/a"
		}
	}
	return append(row, groupU(s.Samples))
}

// needs explains the n/a.
func (t *texter) needs(s *Summary) {
	said := false
	for _, p := range s.Percentiles {
		if p.Nanos != nil {
			continue
		}
		if !said {
			t.line("", "n/a: fewer than %d samples lie above it", samplesAbove)
			said = true
		}
		t.line("", "     %s needs %s samples", p.Name(), groupU(p.Needs))
	}
}

// load says what the generator of an open loop did.
func (t *texter) load(l *Load) {
	if l != nil {
		t.line("load", "offered %s/s, made %s/s; lag p99 %v, max %v; dropped %s", mean(l.Offered), mean(l.Achieved),
			time.Duration(l.LagP99), time.Duration(l.LagMax), groupU(l.Dropped))
	}
}

// recording says what measuring costs, beside what is measured.
func (t *texter) recording(c *Recording) {
	if c != nil {
		t.line("recording", "%.1f ns an operation, and %d readings of the clock of %.1f ns", c.Record, c.Readings, c.Clock)
	}
}

// series says how steady the run was.
func (t *texter) series(s []Interval) {
	if len(s) < 2 {
		return
	}
	least, most := s[0], s[0]
	worst := 0
	for i, in := range s {
		least.Rate, most.Rate = min(least.Rate, in.Rate), max(most.Rate, in.Rate)
		least.P99, most.P99 = min(least.P99, in.P99), max(most.P99, in.P99)
		if in.Max > s[worst].Max {
			worst = i
		}
	}
	latency := ""
	if most.P99 > 0 {
		latency = fmt.Sprintf("; p99 %v..%v; the largest, %v, in number %d", time.Duration(least.P99), time.Duration(most.P99),
			time.Duration(s[worst].Max), worst+1)
	}
	t.line("series", "%d intervals of %v: %s..%s/s%s", len(s), time.Duration(s[0].End).Round(time.Millisecond), mean(least.Rate), mean(most.Rate), latency)
}
