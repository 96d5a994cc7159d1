package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/chart"
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

// verdict says in plain words what was measured, whether it can be used, and what
// came out.
func verdict(f *result.File) []string {
	if len(f.Cells) > 0 {
		return sweepVerdict(f)
	}
	if len(f.Reps) == 0 {
		return []string{"Nothing was measured."}
	}
	first := f.Reps[0]
	said := []string{subject(f)}
	bad, cut := 0, 0
	for _, r := range f.Reps {
		if !r.OK() {
			bad++
		}
		if r.Interrupted {
			cut++
		}
	}
	switch {
	case bad > 0:
		said = append(said, fmt.Sprintf("Do not use these figures: %s not valid (%s).", of(bad, len(f.Reps), "is", "are"), reason(f.Reps)))
	case cut > 0:
		said = append(said, "It was interrupted: these are the figures until then. No event was lost.")
	default:
		said = append(said, "The measurement is valid: no event was lost, doubled or out of order.")
	}
	return append(said, findings(f, first)...)
}

func of(n, all int, one, many string) string {
	switch {
	case all == 1:
		return "it " + one
	case n == all:
		return fmt.Sprintf("all %d repetitions %s", all, many)
	case n == 1:
		return fmt.Sprintf("1 of %d repetitions %s", all, one)
	}
	return fmt.Sprintf("%d of %d repetitions %s", n, all, many)
}

func reason(reps []*bench.Report) string {
	for _, r := range reps {
		if len(r.Conservation.Violations) > 0 {
			return r.Conservation.Violations[0]
		}
		if len(r.Invalid) > 0 {
			return r.Invalid[0]
		}
	}
	return ""
}

// subject is the sentence that says what was measured.
func subject(f *result.File) string {
	r := f.Reps[0]
	cq := map[string]string{bench.CQMock: "a simulated device", bench.CQRXE: "soft-RoCE", bench.CQVerbs: "an RDMA device"}[r.Config.CQ]
	if cq == "" {
		cq = r.Config.CQ
	}
	what := map[string]string{
		bench.Lat: "latency with one request in flight", bench.BW: "throughput with many requests in flight",
		bench.WakeUp: "the cost of sleeping and being woken", bench.Jitter: "how much this host itself disturbs a program",
	}[r.Config.Workload]
	if r.Load != nil {
		what = "latency under a load of " + count(r.Load.Offered) + " requests a second"
	}
	if what == "" {
		what = r.Config.Workload
	}
	times := "once"
	if n := len(f.Reps); n > 1 {
		times = fmt.Sprintf("%d times", n)
	}
	if r.Config.Workload == bench.Jitter {
		return fmt.Sprintf("This measured %s, %s.", what, times)
	}
	return fmt.Sprintf("This measured %s, over %s (%s), %s.", what, cq, r.Config.CQ, times)
}

// findings are sentences about what came out.
func findings(f *result.File, first *bench.Report) []string {
	var said []string
	get := func(name string) (float64, bool) {
		m, _ := result.MetricNamed(name)
		v, _, _, ok := m.Median(f.Reps)
		return v, ok
	}
	kind, name := "service", "Serving a request"
	if first.Results.Response != nil {
		kind, name = "response", "Counted from when a request was due, it"
	}
	if p50, ok := get(kind + "_p50_ns"); ok {
		s := fmt.Sprintf("%s took %s in the median", name, nanos(p50))
		if p99, ok := get(kind + "_p99_ns"); ok {
			s += fmt.Sprintf(", at most %s for 99 of 100", nanos(p99))
		}
		if most, ok := get(kind + "_max_ns"); ok {
			s += fmt.Sprintf(", and %s at worst", nanos(most))
		}
		said = append(said, s+".")
	}
	if rate, ok := get("per_second"); ok && rate > 0 && first.Load == nil && first.Config.Workload != bench.Jitter {
		said = append(said, fmt.Sprintf("It did %s operations a second.", count(rate)))
	}
	if cpu, ok := get("cpu_percent"); ok {
		said = append(said, fmt.Sprintf("The process used %.0f %% of one CPU.", cpu))
	}
	if m, _ := result.MetricNamed(kind + "_p99_ns"); len(f.Reps) > 1 {
		if v, least, most, ok := m.Median(f.Reps); ok && v > 0 {
			said = append(said, fmt.Sprintf("Between repetitions the 99th percentile differed by %.1f %%.", 100*(most-least)/v))
		}
	}
	return said
}

func sweepVerdict(f *result.File) []string {
	bad := 0
	for _, c := range f.Cells {
		if !c.OK() {
			bad++
		}
	}
	said := []string{fmt.Sprintf("This measured %d combinations of %s.", len(f.Cells), strings.Join(chart.Varied(f.Cells), " and "))}
	if bad > 0 {
		return append(said, fmt.Sprintf("Do not use those that are marked: %d of %d are not valid.", bad, len(f.Cells)))
	}
	return append(said, "All of them are valid: no event was lost, doubled or out of order.")
}
