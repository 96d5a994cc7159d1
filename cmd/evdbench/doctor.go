package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/host"
)

// doctorPause is the time between two looks at what else runs.
const doctorPause = 300 * time.Millisecond

// diagnosis is the result of doctor.
type diagnosis struct {
	Schema   int            `json:"schema"`
	Env      bench.Env      `json:"env"`
	Findings []host.Finding `json:"findings"`
	AA       *host.AA       `json:"aa,omitempty"`
	Verdict  host.Level     `json:"verdict"` // the worst of the findings
}

// doctorSchema is the version of the JSON form of a diagnosis.
const doctorSchema = 1

func newDoctor() *cobra.Command {
	var aa bool
	output, strictness := "text", ""
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Say what on this host spoils measurements, and what helps",
		Long: `doctor examines this host: the clock, the CPUs and who shares them, power
management, what else runs, limits, and what the CQs need. It changes nothing.

Each line begins with ok, note (good to know, or not to be found out here), WARN
(figures are worse or less steady for it) or FAIL (figures are useless, or a part
of evdbench is). "fix:" is a command, or a flag of lat, bw and wake.

With --aa it also makes identical short runs and says how far they differ: a
difference below that is noise. "evdbench jitter" looks longer at what the host
does to a goroutine.`,
		Example: `  evdbench doctor
  evdbench doctor --strict=fail -o json      exit status 3 if anything fails`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.Var(choice{&strictness, []string{"warn", "fail"}}, "strict", "exit with status 3 on WARN and FAIL (warn), or on FAIL only (fail)")
	f.Lookup("strict").NoOptDefVal = "warn"
	f.BoolVar(&aa, "aa", false, "also measure how far identical runs differ: 4 seconds")
	f.VarP(choice{&output, []string{"text", "json"}}, "output", "o", "form of the result")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("strict", cobra.FixedCompletions([]string{"warn", "fail"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		d, err := diagnose(cmd.Context(), aa)
		if d == nil {
			return failed(err)
		}
		write := d.text
		if output == "json" {
			write = document(d)
		}
		if werr := unwritten(write(cmd.OutOrStdout())); werr != nil {
			err = errors.Join(err, rescued(cmd, werr, "doctor", document(d)))
		}
		switch {
		case errors.Is(err, context.Canceled):
			return &statusError{exitInterrupted, errSilent}
		case err != nil:
			return failed(err)
		}
		least := map[string]host.Level{"warn": host.Warn, "fail": host.Fail}[strictness]
		if least != host.OK && d.Verdict >= least {
			return &statusError{exitUnavailable, fmt.Errorf("%w is not fit: %s", errHost, d.worst(least))}
		}
		return nil
	}
	return cmd
}

// diagnose returns what it has found, too, when --aa could not be measured.
func diagnose(ctx context.Context, aa bool) (*diagnosis, error) {
	clk := bench.NewClock()
	s := host.System{
		Root: os.DirFS("/"), Env: bench.Environment(clk), Floor: bench.MeasureFloor(ctx),
		Privileged: os.Geteuid() == 0, Pause: func() { nap(ctx, doctorPause) },
	}
	d := &diagnosis{Schema: doctorSchema, Findings: host.Examine(s)}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var err error
	if aa {
		if d.AA, err = host.MeasureAA(ctx); err == nil {
			d.Findings = append(d.Findings, d.AA.Finding())
		}
	}
	d.Env = bench.Environment(clk)
	d.Env.Floor = s.Floor
	d.Verdict = host.Worst(d.Findings)
	return d, err
}

func nap(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// worst names the findings that are at least that bad.
func (d *diagnosis) worst(least host.Level) string {
	var names []string
	for _, f := range d.Findings {
		if f.Level >= least {
			names = append(names, f.Check)
		}
	}
	return strings.Join(names, ", ")
}

func (d *diagnosis) text(w io.Writer) error {
	var b strings.Builder
	for _, f := range d.Findings {
		wrapLine(&b, fmt.Sprintf("%-4s  %-12s", f.Level, f.Check), f.Says, 19)
		for _, fix := range f.Fixes {
			wrapLine(&b, strings.Repeat(" ", 19)+"fix:", fix, 24)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lineWidth is that of a terminal which nobody has widened.
const lineWidth = 80

// wrapLine writes head and text in lines of at most lineWidth, those after the first
// indented.
func wrapLine(b *strings.Builder, head, text string, indent int) {
	line, gap := head, " "
	if head == "" {
		gap = ""
	}
	for word := range strings.SplitSeq(text, " ") {
		if n := len([]rune(line)); n+len(gap)+len([]rune(word)) > lineWidth && n > indent {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line, gap = strings.Repeat(" ", indent), ""
		}
		line += gap + word
		gap = " "
	}
	b.WriteString(line + "\n")
}
