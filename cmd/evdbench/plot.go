package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/plot"
)

// plotting are the flags of plot.
type plotting struct {
	kind, form, out string
	o               chart.Options
}

func newPlot() *cobra.Command {
	p := &plotting{kind: chart.Percentiles}
	cmd := &cobra.Command{
		Use:   "plot FILE...",
		Short: "Draw saved results",
		Long: `plot draws results that evdbench has saved (-o json, or --out): as SVG or PNG, or
with characters for a terminal. Several files are drawn over one another, one
curve each. FILE may be - for standard input. Nothing is measured.

Kinds:
  percentiles  the time that a share of all requests did not exceed; the curve
               ends where fewer than ten samples lie above it; a dot is the max
  timeline     latencies, or rates where there are none, interval by interval;
               repetitions follow one another
  histogram    how many took how long
  cdf          the share that took no longer
  repetitions  the figures of each repetition
  sweep        one figure over a setting: of a result of evdbench sweep

Repetitions of one result are merged, exactly: histograms can be added.

  evdbench plot lat.json
  evdbench plot before.json after.json --kind cdf --out both.svg`,
		Args: someFiles,
		RunE: func(cmd *cobra.Command, args []string) error { return p.run(cmd, args) },
	}
	f := cmd.Flags()
	words := func(v *string, name, short, help string, allowed []string) {
		f.VarP(choice{v, allowed}, name, short, help)
		_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
	}
	words(&p.kind, "kind", "k", "what to draw", chart.Kinds())
	words(&p.form, "output", "o", "form of the drawing (default term, or what the name of --out says)", plot.Forms())
	f.Var(text{&p.out, "file"}, "out", "write to this file (default standard output)")
	f.Var(text{&p.o.Histogram, "name"}, "histogram", "percentiles, histogram, cdf: service, response, stage/NAME or jitter (default service and response; of several files the first there is)")
	f.Var(text{&p.o.Metric, "figure"}, "metric", "sweep: the figure, such as rate, p99, resp.p99, cpu (default rate)")
	f.Var(text{&p.o.Over, "setting"}, "over", "sweep: the setting to draw it over (default the one with most values)")
	return cmd
}

func (p *plotting) run(cmd *cobra.Command, args []string) error {
	if p.form == "" {
		p.form = plot.Term
		if end := ending(p.out); slices.Contains(plot.Forms(), end) {
			p.form = end
		}
	}
	sweeping := p.kind == chart.Sweep
	for _, x := range []struct {
		name, value string
		fits        bool
		of          string
	}{
		{"histogram", p.o.Histogram, p.kind != chart.Timeline && p.kind != chart.Repetitions && !sweeping, "percentiles, histogram and cdf"},
		{"metric", p.o.Metric, sweeping, chart.Sweep},
		{"over", p.o.Over, sweeping, chart.Sweep},
	} {
		if x.value != "" && !x.fits {
			return fmt.Errorf("--%s = %q: must be left out with --kind %s: it is for %s", x.name, x.value, p.kind, x.of)
		}
	}
	stdout := cmd.OutOrStdout()
	if p.form == plot.PNG && p.out == "" && terminalWidth(stdout) > 0 {
		return errors.New("--output = png: must be given with --out FILE: standard output is a terminal")
	}
	files, err := loadFiles(cmd.InOrStdin(), args)
	if err != nil {
		return err
	}
	if err := notInput(p.out, args); err != nil {
		return err
	}
	distinct(args, func(i int, name string) { files[i].Name = name })
	c, err := chart.New(p.kind, p.o, files...)
	if err != nil {
		return missing(err)
	}
	var b bytes.Buffer
	if err := plot.Write(&b, p.form, c, terminalWidth(stdout)); err != nil {
		return failed(err)
	}
	return writeOut(stdout, p.out, func(w io.Writer) error {
		_, err := w.Write(b.Bytes())
		return err
	})
}

// terminalWidth is the number of columns of a terminal; 0: it is none.
func terminalWidth(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	columns, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return columns
}

// distinct gives names the shortest ends of their paths that tell them apart: they
// are legends.
func distinct(paths []string, set func(int, string)) {
	parts := make([][]string, len(paths))
	for i, p := range paths {
		parts[i] = strings.Split(strings.ReplaceAll(p, `\`, "/"), "/")
	}
	for depth := 1; ; depth++ {
		seen := map[string]bool{}
		more := false // a longer end may still tell them apart
		for i := range paths {
			from := max(len(parts[i])-depth, 0)
			more = more || from > 0
			end := strings.Join(parts[i][from:], "/")
			seen[end] = true
			set(i, end)
		}
		if len(seen) == len(paths) || !more {
			return
		}
	}
}
