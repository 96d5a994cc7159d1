package compare

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/evdengine/evd/bench/stats"
)

// listed are the metrics that Text lists unless all are asked for.
var listed = []string{"rate", "svc.p50", "svc.p99", "svc.p99.9", "resp.p50", "resp.p99", "resp.p99.9", "cpu", "wakeups/wc"}

// Text writes the comparison for people, in 80 columns.
func (r *Result) Text(w io.Writer, all bool) error {
	var b strings.Builder
	r.head(&b)
	for i := range r.Comparisons {
		r.table(&b, &r.Comparisons[i], all)
	}
	for _, d := range r.Differences {
		fmt.Fprintf(&b, "differs       %s\n", d)
	}
	for _, l := range r.Exceeded() {
		fmt.Fprintf(&b, "over          %s\n", l)
	}
	for _, s := range r.Warnings {
		wrap(&b, "warning", s)
	}
	r.end(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Result) head(b *strings.Builder) {
	a := &r.Sides[0]
	for _, s := range r.Sides {
		what := s.Source
		if len(s.Args) > 0 {
			what = strings.Join(s.Args, " ")
		}
		if r.Interleaved == nil {
			what += fmt.Sprintf("  (%d repetitions)", s.Reps)
		}
		wrap(b, s.Name, s.Version+"  "+what)
	}
	wrap(b, "host", fmt.Sprintf("%s, %d CPUs, %s %s, %s", a.Env.CPU, a.Env.CPUs, a.Env.OS, a.Env.Kernel, a.Env.Go))
	if c := r.Interleaved; c != nil {
		wrap(b, "interleaved", fmt.Sprintf("%d blocks of %d rounds, %d processes of each, turns of %v, %v in all",
			c.Blocks, c.Rounds, stats.Copies, c.Turn, c.Elapsed.Round(100*time.Millisecond)))
	}
}

func (r *Result) table(b *strings.Builder, c *Comparison, all bool) {
	fmt.Fprintln(b)
	tw := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "metric\t%s\t%s\tdelta %%\t%.3g %% CI\tp\tverdict (floor)\n", r.Sides[0].Name, c.Side, 100*r.Interval)
	for _, j := range c.Judgements {
		if all || j.Metric == r.Primary || slices.Contains(listed, j.Metric) || r.limited(j.Metric) {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%.3f\t%s\n", j.Metric, stats.Short(j.A, j.Unit), stats.Short(j.B, j.Unit),
				delta(&j), interval(&j), j.P, verdict(&j))
		}
	}
	tw.Flush()
	fmt.Fprintln(b)
}

func (r *Result) limited(metric string) bool {
	return slices.ContainsFunc(r.Limits, func(l Limit) bool { return l.Metric == metric })
}

func delta(j *stats.Judgement) string {
	if !j.Known() {
		return "-"
	}
	return percent(j.Delta.Center)
}

func interval(j *stats.Judgement) string {
	if !j.Delta.Known() {
		return "-"
	}
	return fmt.Sprintf("[%s, %s]", percent(j.Delta.Lo), percent(j.Delta.Hi))
}

// percent is +1.2, or +120 where a tenth is nothing.
func percent(v float64) string {
	if math.Abs(v) >= 0.9995 {
		return fmt.Sprintf("%+.0f", 100*v)
	}
	return fmt.Sprintf("%+.1f", 100*v)
}

func verdict(j *stats.Judgement) string {
	v := string(j.Verdict)
	switch {
	case j.Better == stats.Neither:
		return "-"
	case j.Verdict == stats.Worse || j.Verdict == stats.BetterBy:
		v = strings.ToUpper(v)
	case j.Verdict == stats.Inconclusive:
		v = "unclear"
	}
	if math.IsNaN(j.Floor) || math.IsInf(j.Floor, 0) {
		return v
	}
	return fmt.Sprintf("%s (%s)", v, strings.TrimPrefix(percent(j.Floor), "+"))
}

func (r *Result) end(b *strings.Builder) {
	for i := range r.Comparisons {
		c := &r.Comparisons[i]
		j, _ := c.Judgement(r.Primary)
		if !j.Delta.Known() {
			wrap(b, "verdict", fmt.Sprintf("%s: %s of %s: too few figures to tell", j.Verdict, r.Primary, c.Side))
			continue
		}
		s := fmt.Sprintf("%s: %s of %s is %s %% against %s; identical runs differ by up to %.1f %%, and %.3g %% matters",
			j.Verdict, r.Primary, c.Side, percent(j.Delta.Center), r.Sides[0].Name, 100*j.Floor, 100*j.Effect)
		wrap(b, "verdict", s)
		if j.Verdict == stats.Inconclusive {
			wrap(b, "", "more blocks, longer turns, a quieter machine or a larger --effect decide it")
		}
	}
}

// Brief is one line about the metric that decides.
func Brief(js []stats.Judgement) string {
	var parts []string
	for i := range js {
		j := &js[i]
		parts = append(parts, fmt.Sprintf("%s %s %% %s, floor %.1f %%: %s", j.Metric, delta(j), interval(j), 100*j.Floor, j.Verdict))
	}
	return strings.Join(parts, "; ")
}

// columns of a terminal.
const columns = 80

// wrap writes a titled paragraph.
func wrap(b *strings.Builder, title, text string) {
	const margin = 14
	line := fmt.Sprintf("%-*s", margin, title)
	used := 0
	for _, word := range strings.Split(text, " ") {
		if used > 0 && margin+used+1+len([]rune(word)) > columns {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, used = strings.Repeat(" ", margin), 0
		}
		if used > 0 {
			line += " "
			used++
		}
		line += word
		used += len([]rune(word))
	}
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}
