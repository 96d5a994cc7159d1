package render

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

// field is a column of csv that is no figure.
type field struct {
	name string
	of   func(*result.File, int, *bench.Report) string
}

var fields = []field{
	{"start", func(f *result.File, _ int, _ *bench.Report) string { return f.Start.UTC().Format(time.RFC3339) }},
	{"command", func(f *result.File, _ int, _ *bench.Report) string { return f.Command }},
	{"version", func(f *result.File, _ int, _ *bench.Report) string { return f.Version }},
	{"settings", func(f *result.File, _ int, _ *bench.Report) string { return pairs(f.Settings) }},
	{"tags", func(f *result.File, _ int, _ *bench.Report) string { return pairs(f.Tags) }},
	{"repetition", func(_ *result.File, i int, _ *bench.Report) string { return strconv.Itoa(i + 1) }},
	{"valid", func(_ *result.File, _ int, r *bench.Report) string { return strconv.FormatBool(r.OK()) }},
	{"interrupted", func(_ *result.File, _ int, r *bench.Report) string { return strconv.FormatBool(r.Interrupted) }},
	{"remarks", func(_ *result.File, _ int, r *bench.Report) string {
		return strings.Join(append(append(append([]string{}, r.Conservation.Violations...), r.Invalid...), r.Warnings...), "; ")
	}},
	{"workload", func(_ *result.File, _ int, r *bench.Report) string { return r.Config.Workload }},
	{"cq", func(_ *result.File, _ int, r *bench.Report) string { return r.Config.CQ }},
	{"mode", func(_ *result.File, _ int, r *bench.Report) string { return r.Config.Mode }},
	{"go", func(_ *result.File, _ int, r *bench.Report) string { return r.Env.Go }},
	{"os", func(_ *result.File, _ int, r *bench.Report) string { return r.Env.OS }},
	{"arch", func(_ *result.File, _ int, r *bench.Report) string { return r.Env.Arch }},
	{"kernel", func(_ *result.File, _ int, r *bench.Report) string { return r.Env.Kernel }},
	{"cpu", func(_ *result.File, _ int, r *bench.Report) string { return r.Env.CPU }},
	{"cpus", func(_ *result.File, _ int, r *bench.Report) string { return strconv.Itoa(r.Env.CPUs) }},
	{"gomaxprocs", func(_ *result.File, _ int, r *bench.Report) string { return strconv.Itoa(r.Env.GOMAXPROCS) }},
	{"clock", func(_ *result.File, _ int, r *bench.Report) string { return string(r.Env.Clock.Source) }},
}

// CSVHeader is the first row of format csv. It is the same for all results, so that
// rows can be added to a file; new columns come at the end.
func CSVHeader() []string {
	var h []string
	for _, f := range fields {
		h = append(h, f.name)
	}
	for _, m := range result.Metrics() {
		h = append(h, m.Name)
	}
	return h
}

func csvRows(w io.Writer, o Options, files []*result.File) error {
	c := csv.NewWriter(w)
	if !o.NoHeader {
		if err := c.Write(CSVHeader()); err != nil {
			return err
		}
	}
	for _, f := range flat(files) {
		for i, r := range f.Reps {
			var row []string
			for _, x := range fields {
				row = append(row, x.of(f, i, r))
			}
			for _, m := range result.Metrics() {
				cell := ""
				if v, ok := m.Of(r); ok {
					cell = strconv.FormatFloat(v, 'f', -1, 64)
				}
				row = append(row, cell)
			}
			if err := c.Write(row); err != nil {
				return err
			}
		}
	}
	c.Flush()
	return c.Error()
}

// flat has the cells of sweeps in place of them.
func flat(files []*result.File) []*result.File {
	var all []*result.File
	for _, f := range files {
		if len(f.Reps) > 0 || len(f.Cells) == 0 {
			all = append(all, f)
		}
		for _, c := range flat(f.Cells) {
			cell := *c
			cell.Name = f.Name
			if cell.Version == "" {
				cell.Version = f.Version
			}
			if cell.Start.IsZero() {
				cell.Start = f.Start
			}
			if cell.Tags == nil {
				cell.Tags = f.Tags
			}
			all = append(all, &cell)
		}
	}
	return all
}
