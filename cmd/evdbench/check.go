package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench/check"
)

// checkSchema is the version of the JSON form of a check.
const checkSchema = 1

func newCheck() *cobra.Command {
	cfg := check.Config{CQ: check.Mock}
	output := "text"
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Test what a completion queue and the engine promise, on this machine",
		Long: `check tests a completion queue on this machine, and the engine over it, and says
in plain words what became of each promise: first all that the interface of a CQ
promises (the conformance suite of hwcq/cqtest), then the engine's policies under
load, the pattern of iSER, waiters, closing in the middle of everything, a hunt
for lost wake-ups that takes --duration, and over mock scripts of faults.

Exit status: 0 everything holds, 1 a promise is broken, 3 the CQ is not available
here, 130 interrupted (with what was checked until then).`,
		Example: `  evdbench check
  evdbench check --cq uring --duration 1m`,
		Args: cobra.NoArgs,
	}
	f := cmd.Flags()
	f.Var(choice{&cfg.CQ, check.CQs()}, "cq", "completion queue (default mock)")
	_ = cmd.RegisterFlagCompletionFunc("cq", cobra.FixedCompletions(check.CQs(), cobra.ShellCompDirectiveNoFileComp))
	f.Var(text{&cfg.Dev, "device"}, "dev", "rxe: its name (default the first device)")
	f.Var(positive{&cfg.Duration, ""}, "duration", "how long to hunt for lost wake-ups, 10ms to 24h (default 2s)")
	f.Var(seed{&cfg.Seed}, "seed", "seed of everything random (default 0)")
	f.BoolVar(&cfg.Short, "short", false, "a fifth of the rounds of everything but the hunt")
	f.Var(positive{&cfg.Patience, ""}, "patience", "how long something that must happen may take, 100ms to 10m (default 30s)")
	f.VarP(choice{&output, []string{"text", "json"}}, "output", "o", "form of the result")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		out := cmd.OutOrStdout()
		var werr error
		told := func(x check.Result) {
			if output == "text" && werr == nil {
				werr = writeResult(out, x)
			}
		}
		r, err := check.Run(cmd.Context(), cfg, told)
		if r == nil {
			return failed(err)
		}
		whole := document(struct {
			Schema int  `json:"schema"`
			OK     bool `json:"ok"`
			*check.Report
		}{checkSchema, r.OK(), r})
		if output == "json" {
			werr = whole(out)
		} else if werr == nil {
			werr = writeVerdict(out, r)
		}
		if werr = unwritten(werr); werr != nil {
			err = errors.Join(err, rescued(cmd, werr, "check", whole))
		}
		switch {
		case r.Broken() > 0:
			return &statusError{exitFailed, errors.Join(err, fmt.Errorf("%d of %d promises are broken", r.Broken(), len(r.Results)))}
		case err != nil:
			return failed(err)
		case r.Interrupted:
			return &statusError{exitInterrupted, errSilent}
		}
		return nil
	}
	return cmd
}

// writeResult writes a promise, and what became of it.
func writeResult(w io.Writer, x check.Result) error {
	var b strings.Builder
	verdict := x.Verdict
	if x.Verdict == check.Holds && x.Rounds > 0 {
		verdict += ", " + strings.ReplaceAll(thousands(x.Rounds)+" rounds", " ", noBreak)
	}
	wrapLine(&b, "", x.Promise+": "+verdict, 4)
	if x.Verdict != check.Holds {
		for _, d := range x.Details {
			first, _, _ := strings.Cut(d, "\n") // behind it: the stacks of all goroutines
			wrapLine(&b, "   ", first, 4)
		}
		if x.Verdict == check.Broken {
			wrapLine(&b, "   ", "promised by "+x.Promised, 4)
		}
	}
	_, err := io.WriteString(w, strings.ReplaceAll(b.String(), noBreak, " "))
	return err
}

// noBreak keeps a number on one line.
const noBreak = "\u00a0"

func writeVerdict(w io.Writer, r *check.Report) error {
	var b strings.Builder
	b.WriteByte('\n')
	for _, s := range r.Untested {
		wrapLine(&b, "", "not tested: "+s, 4)
	}
	rounds := uint64(0)
	took := time.Duration(0)
	for _, x := range r.Results {
		rounds += x.Rounds
		took += x.Took
	}
	verdict := "all hold"
	if n := r.Broken(); n > 0 {
		verdict = fmt.Sprintf("%d are BROKEN", n)
	}
	if r.Interrupted {
		verdict += ", interrupted before the rest"
	}
	fmt.Fprintf(&b, "%d promises, %s rounds, %v: %s\n", len(r.Results), thousands(rounds), took.Round(10*time.Millisecond), verdict)
	_, err := io.WriteString(w, b.String())
	return err
}

// thousands writes 1234567 as 1 234 567.
func thousands(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}
