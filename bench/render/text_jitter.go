package render

import (
	"fmt"
	"strings"
	"time"

	"github.com/evdengine/evd/bench"
)

// jitter writes what the host does to a goroutine.
func (t *texter) jitter(r *bench.Report) {
	j := r.Jitter
	sleep := ""
	if j.Sleep > 0 {
		sleep = fmt.Sprintf(" sleep=%v", j.Sleep)
	}
	t.line("evdbench", "jitter  duration=%v period=%v%s", r.Config.Duration, j.Period, sleep)
	t.where(r)
	t.b.WriteByte('\n')
	var rows [][]string
	short := false
	for i := range j.Parts {
		p := &j.Parts[i]
		s := &p.Late
		head, row := []string{"late (ns)", "min"}, []string{p.Name, group(s.Min)}
		for _, q := range s.Percentiles {
			head = append(head, q.Name())
			if q.Nanos == nil {
				row, short = append(row, "n/a"), true
			} else {
				row = append(row, group(*q.Nanos))
			}
		}
		if i == 0 {
			rows = append(rows, append(head, "max", "mean", "samples"))
		}
		rows = append(rows, append(row, group(s.Max), whole(s.Mean), groupU(s.Samples)))
	}
	t.grid(rows)
	if short {
		t.line("", "n/a: too few samples lie above it")
	}
	t.b.WriteByte('\n')
	for i := range j.Parts {
		p := &j.Parts[i]
		if p.Elapsed <= 0 || strings.HasSuffix(p.Name, "sleep") { // who sleeps has no gaps
			continue
		}
		t.line("gaps "+p.Name, "%s above 1us (%s a second), %.2f %% of the time; the longest %s", groupU(p.Gaps),
			whole(float64(p.Gaps)/(float64(p.Elapsed)/1e9)), 100*float64(p.Lost)/float64(p.Elapsed), nanos(float64(p.Longest)))
	}
	t.remarks(r, "")
}

// floor says what the host did to a goroutine before the run.
func (t *texter) floor(f *bench.Floor) {
	if f != nil {
		t.line("jitter", "a goroutine that only spins is late by %s (for %v before the run)", f, f.Took.Round(time.Millisecond))
	}
}
