package render

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

// row is a population: service time, response time, or a stage.
type row struct {
	name string
	of   func(*bench.Report) *bench.Summary
}

// populations lists those that the report has, in the order of reading.
func populations(r *bench.Report) []row {
	var rows []row
	if r.Results.Latency != nil {
		rows = append(rows, row{"service", func(r *bench.Report) *bench.Summary { return r.Results.Latency }})
	}
	if r.Results.Response != nil {
		rows = append(rows, row{"response", func(r *bench.Report) *bench.Summary { return r.Results.Response }})
	}
	if r.Stages == nil {
		return rows
	}
	for i, p := range r.Stages.Parts {
		rows = append(rows, row{p.Name, func(r *bench.Report) *bench.Summary {
			if r.Stages == nil || i >= len(r.Stages.Parts) || r.Stages.Parts[i].Name != p.Name {
				return nil
			}
			return &r.Stages.Parts[i].Time
		}})
	}
	return rows
}

// column is a figure of a summary.
type column struct {
	name string
	of   func(*bench.Summary) (float64, bool)
}

// columns are those of all summaries, with the percentiles of s.
func columns(s *bench.Summary) []column {
	if s == nil {
		return nil
	}
	some := func(f func(*bench.Summary) float64) func(*bench.Summary) (float64, bool) {
		return func(s *bench.Summary) (float64, bool) { return f(s), s.Samples > 0 }
	}
	cols := []column{{"min", some(func(s *bench.Summary) float64 { return float64(s.Min) })}}
	for _, p := range s.Percentiles {
		cols = append(cols, column{p.Name(), func(s *bench.Summary) (float64, bool) { return result.AtPercentile(s, p.P) }})
	}
	return append(cols,
		column{"max", some(func(s *bench.Summary) float64 { return float64(s.Max) })},
		column{"mean", some(func(s *bench.Summary) float64 { return s.Mean })},
		column{"sd", some(func(s *bench.Summary) float64 { return s.StdDev })},
		column{"samples", func(s *bench.Summary) (float64, bool) { return float64(s.Samples), true }})
}

// cell is the median of a figure over repetitions; false: none of them has it.
func cell(reps []*bench.Report, r row, c column) (float64, bool) {
	return median(reps, func(x *bench.Report) (float64, bool) {
		s := r.of(x)
		if s == nil {
			return 0, false
		}
		return c.of(s)
	})
}

// latency writes a table of all populations. One alone needs no name.
func (t *texter) latency(reps []*bench.Report) {
	first := reps[0]
	pops, cols := populations(first), columns(first.Results.Latency)
	head := []string{"latency (ns)"}
	for _, c := range cols {
		head = append(head, c.name)
	}
	rows := [][]string{head}
	short := false
	for _, p := range pops {
		name := p.name
		if len(pops) == 1 {
			name = ""
		}
		line := []string{fmt.Sprintf("%*s", len(head[0]), name)}
		for _, c := range cols {
			v, ok := cell(reps, p, c)
			if !ok {
				line = append(line, "n/a")
				short = true
				continue
			}
			line = append(line, whole(v))
		}
		rows = append(rows, line)
	}
	t.b.WriteByte('\n')
	t.grid(rows)
	if short {
		t.needs(first, pops)
	}
	t.b.WriteByte('\n')
}

// needs explains the n/a.
func (t *texter) needs(r *bench.Report, pops []row) {
	t.line("", "n/a: fewer than %d samples lie above it", samplesAbove)
	said := map[string]bool{}
	for _, p := range pops {
		s := p.of(r)
		if s == nil {
			continue
		}
		for _, q := range s.Percentiles {
			if q.Nanos == nil && !said[q.Name()] {
				said[q.Name()] = true
				t.line("", "     %s needs %s samples", q.Name(), groupU(q.Needs))
			}
		}
	}
}

// samplesAbove is how many samples lie above a percentile that is given.
const samplesAbove = 10

// grid writes a table, all columns to the right.
func (t *texter) grid(rows [][]string) {
	tw := tabwriter.NewWriter(&t.b, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, r := range rows {
		fmt.Fprintln(tw, strings.Join(r, "\t")+"\t")
	}
	tw.Flush()
}
