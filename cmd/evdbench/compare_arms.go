package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/compare"
	"github.com/evdengine/evd/bench/turns"
)

// measure compares what takes turns.
func (c *comparing) measure(cmd *cobra.Command, args []string) (*compare.Result, error) {
	arms, err := c.arms(cmd, args)
	if err != nil {
		return nil, err
	}
	c.opts.Told = c.progress(cmd)
	r, err := compare.Interleaved(cmd.Context(), arms, c.opts)
	return r, c.explain(err)
}

// explain gives an error of a comparison its exit status.
func (c *comparing) explain(err error) error {
	var exit *turns.ExitError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, turns.ErrLost), errors.Is(err, compare.ErrInvalid):
		return &statusError{exitInvalid, err}
	case errors.As(err, &exit) && exit.Status > 0:
		return &statusError{exit.Status, err}
	case errors.Is(err, compare.ErrHosts), errors.Is(err, compare.ErrWorkloads), errors.Is(err, compare.ErrReps),
		errors.Is(err, turns.ErrProtocol), errors.Is(err, os.ErrNotExist), errors.Is(err, os.ErrPermission), errors.Is(err, exec.ErrNotFound):
		return err // a usage error
	}
	return failed(err)
}

// arms are the sides that the flags ask for.
func (c *comparing) arms(cmd *cobra.Command, args []string) ([]turns.Arm, error) {
	dash := cmd.ArgsLenAtDash()
	switch {
	case dash > 0 || dash < 0 && len(args) > 0:
		return nil, fmt.Errorf("%q: must be left out, or come after --: result files are compared without other things", args[0])
	case c.engines && (len(c.b) > 0 || c.a != "" || len(c.binaries) > 1 || c.aa):
		return nil, errors.New("--engines = true: must be left out with --a, --b, --aa and two of --binary")
	case c.aa && (len(c.b) > 0 || c.a != "" || len(c.binaries) > 1):
		return nil, errors.New("--aa = true: must be left out with --a, --b and two of --binary: it compares one thing with itself")
	case c.a != "" && len(c.b) == 0 && len(c.binaries) < 2:
		return nil, errors.New("--b is missing: what is A to be compared with?")
	case len(c.binaries) > 2:
		return nil, fmt.Errorf("--binary = %q: must be given twice at most", c.binaries[2])
	case !c.interleaved():
		return nil, errors.New("compare what? Give two result files, or --binary, --a and --b, --engines or --aa")
	}
	workload := args
	if len(workload) == 0 && c.engines {
		workload = []string{bench.BW}
	}
	if len(workload) == 0 || !slices.Contains([]string{bench.Lat, bench.BW, bench.WakeUp}, workload[0]) {
		return nil, errors.New("-- lat, -- bw or -- wake is missing, with flags of that command if need be: what is to be measured?")
	}
	self, err := os.Executable()
	if err != nil {
		return nil, failed(err)
	}
	old, recent := self, self
	switch len(c.binaries) {
	case 1:
		old = c.binaries[0]
		if c.engines || c.aa {
			recent = old
		}
	case 2:
		old, recent = c.binaries[0], c.binaries[1]
	}
	var arms []turns.Arm
	add := func(name, path, flags string) error {
		more, err := words(flags)
		if err != nil {
			return fmt.Errorf("--%s = %q: %w", strings.ToLower(name[:1]), flags, err)
		}
		arms = append(arms, turns.Arm{Name: name, Path: path, Args: slices.Concat(workload, more)})
		return nil
	}
	if c.engines {
		for _, e := range []string{bench.EngineEVD, bench.EngineSpinlock, bench.EngineMutex, bench.EngineChannel} {
			_ = add(e, old, "--engine "+e)
		}
		return arms, nil
	}
	if err := add("A", old, c.a); err != nil {
		return nil, err
	}
	others := c.b
	if len(others) == 0 {
		others = []string{""}
	}
	for i, b := range others {
		name := "B"
		if len(others) > 1 {
			name = fmt.Sprintf("B%d", i+1)
		}
		if err := add(name, recent, b); err != nil {
			return nil, err
		}
	}
	return arms, nil
}

// words splits flags as a shell does: at spaces, but not in quotes.
func words(s string) ([]string, error) {
	var out []string
	var word strings.Builder
	quote, in := rune(0), false
	for _, r := range s {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if in {
				out = append(out, word.String())
			}
			word.Reset()
			in = false
		default:
			word.WriteRune(r)
			in = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("must have another %c: a quote is not closed", quote)
	}
	if in {
		out = append(out, word.String())
	}
	return out, nil
}
