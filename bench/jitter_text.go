package bench

import (
	"fmt"
	"math"
	"strings"
	"text/tabwriter"
	"time"
)

// jitter writes a report of MeasureJitter.
func (t *texter) jitter(r *Report) {
	j := r.Jitter
	limits := fmt.Sprintf("duration=%v period=%v", r.Config.Duration, j.Period)
	if j.Sleep > 0 {
		limits += fmt.Sprintf(" sleep=%v", j.Sleep)
	}
	t.line("evdbench", "jitter  %s", limits)
	t.where(r)
	t.b.WriteByte('\n')
	tw := tabwriter.NewWriter(&t.b, 0, 0, 2, ' ', tabwriter.AlignRight)
	short := map[string]uint64{}
	for i, p := range j.Parts {
		s := &p.Late
		head, row := []string{"late (ns)", "min"}, []string{p.Name, group(s.Min)}
		for _, q := range s.Percentiles {
			head = append(head, q.Name())
			if q.Nanos == nil {
				short[q.Name()] = q.Needs
				row = append(row, "n/a")
				continue
			}
			row = append(row, group(*q.Nanos))
		}
		head = append(head, "max", "mean", "samples")
		row = append(row, group(s.Max), group(int64(math.Round(s.Mean))), groupU(s.Samples))
		if i == 0 {
			fmt.Fprintln(tw, strings.Join(head, "\t")+"\t")
		}
		fmt.Fprintln(tw, strings.Join(row, "\t")+"\t")
	}
	tw.Flush()
	if len(short) > 0 {
		t.line("", "n/a: fewer than %d samples lie above it", samplesAbove)
	}
	t.b.WriteByte('\n')
	for _, p := range j.Parts {
		if strings.HasSuffix(p.Name, "sleep") || p.Elapsed <= 0 {
			continue
		}
		share := 100 * float64(p.Lost) / float64(p.Elapsed)
		t.line("gaps "+p.Name, "%s above 1us (%.0f a second), %.2f %% of the time; the longest %v",
			groupU(p.Gaps), float64(p.Gaps)/(float64(p.Elapsed)/1e9), share, time.Duration(p.Longest))
	}
}

// floor says what the host's jitter was before the run.
func (t *texter) floor(f *Floor) {
	if f != nil {
		t.line("jitter", "a goroutine that only spins is late by %s (for %v before the run)", f, f.Took.Round(time.Millisecond))
	}
}
