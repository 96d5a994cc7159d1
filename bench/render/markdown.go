package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

// markdown writes tables, as for a comment on a change.
func markdown(w io.Writer, _ Options, files []*result.File) error {
	var b strings.Builder
	for i, f := range files {
		if i > 0 {
			b.WriteByte('\n')
		}
		mdFile(&b, f)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func mdFile(b *strings.Builder, f *result.File) {
	fmt.Fprintf(b, "### evdbench %s\n\n", mdText(f.Command))
	if f.Name != "" {
		fmt.Fprintf(b, "From %s. ", mdText(f.Name))
	}
	fmt.Fprintf(b, "%s\n\n", mdText(strings.Join(verdict(f), " ")))
	if s := mdText(strings.TrimSpace(pairs(f.Settings) + " " + pairs(f.Tags))); s != "" {
		fmt.Fprintf(b, "Settings: %s\n\n", s)
	}
	switch {
	case len(f.Cells) > 0:
		mdTable(b, sweepTable(f))
		return
	case len(f.Reps) == 0:
		return
	}
	if first := f.Reps[0]; first.Results.Latency != nil {
		mdTable(b, latencyTable(f.Reps))
	}
	mdTable(b, figureTable(f.Reps))
	for _, all := range nodesOf(f) {
		mdTable(b, nodeRows(all))
		for _, n := range nodeNotes(all) {
			fmt.Fprintf(b, "%s: %s\n\n", n[0], mdText(n[1]))
		}
	}
	e := f.Reps[0].Env
	fmt.Fprintf(b, "%s, %d CPUs, GOMAXPROCS %d, %s %s %s, %s, evdbench %s, %s\n", mdText(e.CPU), e.CPUs, e.GOMAXPROCS,
		e.OS, mdText(e.Kernel), e.Arch, e.Go, mdText(f.Version), f.Start.UTC().Format("2006-01-02 15:04:05 MST"))
}

// latencyTable has a row for each population, medians over repetitions, in
// nanoseconds.
func latencyTable(reps []*bench.Report) [][]string {
	cols := columns(reps[0].Results.Latency)
	rows := [][]string{{"latency (ns)"}}
	for _, c := range cols {
		rows[0] = append(rows[0], c.name)
	}
	for _, p := range populations(reps[0]) {
		row := []string{p.name}
		for _, c := range cols {
			cellText := "n/a"
			if v, ok := cell(reps, p, c); ok {
				cellText = whole(v)
			}
			row = append(row, cellText)
		}
		rows = append(rows, row)
	}
	return rows
}

// headline are the figures that one looks at first.
var headline = []string{
	"per_second", "service_p50_ns", "service_p99_ns", "service_p99.9_ns", "service_max_ns", "response_p99_ns", "response_max_ns",
	"per_operation_ns", "cpu_percent", "wakeups_per_completion", "cpu_seconds_per_million", "wake_cost_ns", "mallocs", "gcs",
}

// figureTable has a row for each headline figure: its median and its extremes over
// the repetitions.
func figureTable(reps []*bench.Report) [][]string {
	rows := [][]string{{"figure", "median", "least", "largest"}}
	if len(reps) == 1 {
		rows[0] = []string{"figure", "value"}
	}
	for _, name := range headline {
		m, _ := result.MetricNamed(name)
		v, least, most, ok := m.Median(reps)
		switch {
		case !ok:
		case len(reps) == 1:
			rows = append(rows, []string{m.Label, figure(m, v)})
		default:
			rows = append(rows, []string{m.Label, figure(m, v), figure(m, least), figure(m, most)})
		}
	}
	return rows
}

func mdTable(b *strings.Builder, rows [][]string) {
	for i, row := range rows {
		for _, c := range row {
			b.WriteString("| " + mdText(c) + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString("|---" + strings.Repeat("|--:", len(row)-1) + "|\n")
		}
	}
	b.WriteByte('\n')
}

var mdEscapes = strings.NewReplacer(`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "<", "&lt;", ">", "&gt;", "[", `\[`, "]", `\]`, "\n", " ", "\r", " ")

// mdText keeps text from being read as markup.
func mdText(s string) string { return mdEscapes.Replace(s) }
