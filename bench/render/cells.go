package render

import (
	"fmt"
	"strings"

	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/result"
)

// sweepColumns are the figures shown of a cell.
var sweepColumns = []string{"per_second", "service_p50_ns", "service_p99_ns", "response_p99_ns", "cpu_percent", "wakeups_per_completion"}

// sweepTable has a row for each cell: what varies, and medians over its
// repetitions. The first row is the head. Figures that no cell has are left out.
func sweepTable(f *result.File) [][]string {
	varied := chart.Varied(f.Cells)
	rows := [][]string{append([]string{}, varied...)}
	for _, c := range f.Cells {
		var row []string
		for _, k := range varied {
			row = append(row, c.Settings[k])
		}
		rows = append(rows, row)
	}
	for _, name := range sweepColumns {
		m, _ := result.MetricNamed(name)
		var cells []string
		some := false
		for _, c := range f.Cells {
			cell := "n/a"
			if v, _, _, ok := m.Median(c.Reps); ok {
				cell, some = figure(m, v), true
			}
			cells = append(cells, cell)
		}
		if !some {
			continue
		}
		rows[0] = append(rows[0], m.Label)
		for i, cell := range cells {
			rows[i+1] = append(rows[i+1], cell)
		}
	}
	rows[0] = append(rows[0], "valid")
	for i, c := range f.Cells {
		valid := "yes"
		if !c.OK() {
			valid = "NO"
		}
		rows[i+1] = append(rows[i+1], valid)
	}
	return rows
}

// figure writes a figure with its unit.
func figure(m result.Metric, v float64) string {
	switch {
	case m.Time():
		return span(v)
	case m.Name == "per_second" || m.Name == "offered_per_second":
		return count(v) + "/s"
	case m.Name == "cpu_percent":
		return fmt.Sprintf("%.0f %%", v)
	case v == float64(int64(v)):
		return whole(v)
	}
	return fmt.Sprintf("%.3g", v)
}

func (t *texter) cells(f *result.File) {
	t.line("evdbench", "%s of %d cells  %s", f.Command, len(f.Cells), pairs(f.Settings))
	t.b.WriteByte('\n')
	t.grid(sweepTable(f))
	for i, c := range f.Cells {
		if found := c.Tags["found"]; found != "" {
			t.line("found", "%s: %s", c.Tags["cell"], found)
		}
		if len(c.Reps) == 0 {
			t.line("not run", "%s: %s", c.Tags["cell"], strings.Join(c.Warnings, "; "))
		}
		for k, r := range c.Reps {
			t.remarks(r, fmt.Sprintf("cell %d, repetition %d: ", i+1, k+1))
		}
	}
}
