package render

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/result"
)

// text writes results for people: 80 to 120 columns, no colours.
func text(w io.Writer, o Options, files []*result.File) error {
	t := &texter{}
	for i, f := range files {
		if len(files) > 1 {
			if i > 0 {
				t.b.WriteByte('\n')
			}
			fmt.Fprintf(&t.b, "== %s\n", chart.Label(f))
		}
		t.file(f)
	}
	_, err := io.WriteString(w, t.b.String())
	return err
}

// Report writes one repetition as text, with all that it says.
func Report(w io.Writer, r *bench.Report) error {
	t := &texter{}
	t.rep(r)
	_, err := io.WriteString(w, t.b.String())
	return err
}

type texter struct{ b strings.Builder }

// line writes a line with a title of fixed width.
func (t *texter) line(title, format string, args ...any) {
	fmt.Fprintf(&t.b, "%-12s  ", title)
	fmt.Fprintf(&t.b, format, args...)
	t.b.WriteByte('\n')
}

func (t *texter) file(f *result.File) {
	switch {
	case len(f.Cells) > 0:
		t.cells(f)
	case len(f.Reps) == 1:
		t.rep(f.Reps[0])
	case len(f.Reps) > 1:
		t.reps(f)
	default:
		t.line("evdbench", "%s: nothing was measured", f.Command)
	}
	_ = nodes(&t.b, f) // a Builder takes everything
	t.tags(f)
	for _, s := range f.Warnings {
		t.line("warning", "%s", s)
	}
}

func (t *texter) tags(f *result.File) {
	if len(f.Tags) > 0 {
		t.line("tags", "%s", pairs(f.Tags))
	}
}

func (t *texter) rep(r *bench.Report) {
	t.head(r)
	if r.Results.Latency != nil {
		t.latency([]*bench.Report{r})
	}
	t.results(r)
	t.load(r.Load)
	t.recording(r.Recording)
	t.stages(r.Stages)
	t.wake(r.Wake)
	t.series(r.Series)
	t.engine(r)
	t.connection(r)
	t.conservation(&r.Conservation)
	t.remarks(r, "")
}

// remarks are what a reader must know of the figures.
func (t *texter) remarks(r *bench.Report, of string) {
	for _, s := range r.Warnings {
		t.line("warning", "%s%s", of, s)
	}
	for _, s := range r.Invalid {
		t.line("INVALID", "%s%s", of, s)
	}
	if r.Interrupted {
		t.line("partial", "%sinterrupted: what is above is what there was until then", of)
	}
}

// reps writes several repetitions: what they have in common, medians, and a line
// each.
func (t *texter) reps(f *result.File) {
	reps, first := f.Reps, f.Reps[0]
	t.head(first)
	valid := 0
	for _, r := range reps {
		if r.OK() {
			valid++
		}
	}
	t.line("repetitions", "%d, %d of them valid; the figures are medians over them", len(reps), valid)
	if first.Results.Latency != nil {
		t.latency(reps)
	} else {
		t.b.WriteByte('\n')
	}
	t.table(reps)
	median := func(name string) float64 {
		m, _ := result.MetricNamed(name)
		v, _, _, _ := m.Median(reps)
		return v
	}
	if first.Load != nil {
		t.line("load", "offered %s/s, made %s/s; lag p99 %s, max %s; dropped %s", whole(median("offered_per_second")),
			whole(median("per_second")), nanos(median("lag_p99_ns")), nanos(median("lag_max_ns")), whole(median("dropped")))
	}
	t.stages(first.Stages)
	if first.Wake != nil {
		t.line("wake", "%.3f wake-ups a completion; a wake-up costs %s; %.3g CPU seconds a million completions",
			median("wakeups_per_completion"), nanos(median("wake_cost_ns")), median("cpu_seconds_per_million"))
	}
	t.conservations(reps)
	for i, r := range reps {
		t.remarks(r, fmt.Sprintf("repetition %d: ", i+1))
	}
}

// table has a line for each repetition.
func (t *texter) table(reps []*bench.Report) {
	cols := []string{"per_second", "service_p50_ns", "service_p99_ns", "service_p99.9_ns", "service_max_ns", "response_p99_ns", "cpu_percent"}
	heads := []string{"rate/s", "p50", "p99", "p99.9", "max", "resp p99", "cpu %"}
	rows := [][]string{{"repetition"}}
	for range reps {
		rows = append(rows, []string{fmt.Sprint(len(rows))})
	}
	rows = append(rows, []string{"spread"})
	for i, name := range cols {
		m, _ := result.MetricNamed(name)
		median, least, most, ok := m.Median(reps)
		if !ok {
			continue
		}
		rows[0] = append(rows[0], heads[i])
		for k, r := range reps {
			cell := "n/a"
			if v, ok := m.Of(r); ok {
				cell = whole(v)
			}
			rows[k+1] = append(rows[k+1], cell)
		}
		spread := "0 %"
		if median != 0 {
			spread = fmt.Sprintf("%.1f %%", 100*(most-least)/median)
		}
		rows[len(rows)-1] = append(rows[len(rows)-1], spread)
	}
	rows[0] = append(rows[0], "valid")
	for k, r := range reps {
		cell := "yes"
		switch {
		case !r.OK():
			cell = "NO"
		case r.Interrupted:
			cell = "partial"
		}
		rows[k+1] = append(rows[k+1], cell)
	}
	t.grid(rows)
	t.line("", "spread: from the least to the largest, of the median")
	t.b.WriteByte('\n')
}

func (t *texter) conservations(reps []*bench.Report) {
	var sum bench.Conservation
	for i, r := range reps {
		c := &r.Conservation
		sum.Attempted += c.Attempted
		sum.Accepted += c.Accepted
		sum.Rejected += c.Rejected
		sum.Delivered += c.Delivered
		sum.Dequeued += c.Dequeued
		sum.LeftOver += c.LeftOver
		sum.Flushed += c.Flushed
		for _, v := range c.Violations {
			sum.Violations = append(sum.Violations, fmt.Sprintf("repetition %d: %s", i+1, v))
		}
	}
	t.conservation(&sum)
}

func (t *texter) load(l *bench.Load) {
	if l != nil {
		t.line("load", "offered %s/s, made %s/s; lag p99 %s, max %s; dropped %s", whole(l.Offered), whole(l.Achieved),
			nanos(float64(l.LagP99)), nanos(float64(l.LagMax)), groupU(l.Dropped))
	}
}

// recording says what measuring costs, beside what is measured.
func (t *texter) recording(c *bench.Recording) {
	if c != nil {
		t.line("recording", "%.1f ns an operation, and %d readings of the clock of %.1f ns", c.Record, c.Readings, c.Clock)
	}
}

// stages says whether the parts add up to the whole.
func (t *texter) stages(s *bench.Stages) {
	if s == nil || s.Whole <= 0 {
		return
	}
	share := 100 * s.Sum / s.Whole
	note := ""
	if math.Abs(share-100) > stagesOff {
		note = ": a part is missing, or counted twice"
	}
	t.line("stages", "their means add up to %s ns of %s ns (%.1f %%)%s", whole(s.Sum), whole(s.Whole), share, note)
}

// stagesOff is by how many percent the sum of the stages may differ from the
// latency without a remark.
const stagesOff = 5

func (t *texter) wake(w *bench.Wake) {
	if w == nil {
		return
	}
	spins := ""
	if w.Spins > 0 {
		spins = fmt.Sprintf(", %s empty polls while spinning", groupU(w.Spins))
	}
	t.line("wake", "%s wake-ups, %.3f a completion%s; %.3g CPU seconds a million completions", groupU(w.Wakeups), w.PerCompletion, spins, w.CPUPerMillion)
	if w.Cost > 0 {
		t.line("", "a wake-up costs %s; spinning pays for waits of up to %s (--spin)", nanos(float64(w.Cost)), nanos(float64(w.Recommended)))
	}
}

// series says how steady the run was.
func (t *texter) series(s []bench.Interval) {
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
		latency = fmt.Sprintf("; p99 %s..%s; the largest, %s, in number %d", nanos(float64(least.P99)), nanos(float64(most.P99)),
			nanos(float64(s[worst].Max)), worst+1)
	}
	t.line("series", "%d intervals of %v: %s..%s/s%s", len(s), time.Duration(s[0].End).Round(time.Millisecond), whole(least.Rate), whole(most.Rate), latency)
}
