package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/render"
	"github.com/evdengine/evd/bench/result"
)

// outDir is the folder of --out.
type outDir struct {
	dir string // "": none
}

func (d *outDir) flags(f *pflag.FlagSet) {
	f.Var(text{&d.dir, "folder"}, "out", "also write run.json, run.txt, run.hlog and config.toml into this folder, which is made")
}

// prepare makes the folder, before anything is measured: one that cannot be
// written makes the measurement pointless. The status is 3, as of all that is
// missing here.
func (d *outDir) prepare() error {
	if d.dir == "" {
		return nil
	}
	for _, name := range []string{"run.json", "run.txt", "run.hlog", "config.toml"} {
		if _, err := os.Lstat(filepath.Join(d.dir, name)); err == nil {
			return fmt.Errorf("--out = %q: must be a folder without a %s: what is there is not written over", d.dir, name)
		}
	}
	err := os.MkdirAll(d.dir, 0o777)
	if err == nil {
		var f *os.File
		if f, err = os.CreateTemp(d.dir, ".evdbench-*"); err == nil {
			err = errors.Join(f.Close(), os.Remove(f.Name()))
		}
	}
	if err != nil {
		return &statusError{exitUnavailable, fmt.Errorf("--out = %q: %w", d.dir, err)}
	}
	return nil
}

// write writes all there is about a measurement, the result first.
func (d *outDir) write(cmd *cobra.Command, f *result.File) (saved bool, err error) {
	if d.dir == "" {
		return false, nil
	}
	file := func(name string, write func(io.Writer) error) error {
		return create(filepath.Join(d.dir, name), write)
	}
	as := func(format string) func(io.Writer) error {
		return func(w io.Writer) error { return render.Write(w, format, f) }
	}
	if err = file("run.json", as("json")); err != nil {
		return false, err
	}
	errs := []error{file("run.txt", as("text")), file("config.toml", func(w io.Writer) error { return dump(w, cmd, "out") })}
	if hasHistograms(f) {
		errs = append(errs, file("run.hlog", as("hlog")))
	}
	return true, errors.Join(errs...)
}

func hasHistograms(f *result.File) bool {
	return len(chart.Histograms(f)) > 0 || slices.ContainsFunc(f.Cells, hasHistograms)
}

// create writes a file. What it cannot write in full it leaves none of.
func create(name string, write func(io.Writer) error) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Close())
	if err != nil {
		_ = os.Remove(name)
	}
	return err
}

// deliver brings a result to where it was asked for. If it does not arrive there it
// is saved elsewhere: a measurement is never thrown away.
func (d *outDir) deliver(cmd *cobra.Command, format string, f *result.File) error {
	saved, err := d.write(cmd, f)
	if err != nil {
		err = fmt.Errorf("--out: %w", err)
	}
	if err = errors.Join(err, unwritten(render.Write(cmd.OutOrStdout(), format, f))); err == nil {
		return nil
	}
	if saved {
		fmt.Fprintf(cmd.ErrOrStderr(), "evdbench: the result is in %s\n", filepath.Join(d.dir, "run.json"))
		return err
	}
	return rescued(cmd, err, f.Command, f.JSON)
}

// unwritten words what keeps a result from standard output.
func unwritten(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the result cannot be written: %w", err)
}

// rescued saves a result that did not arrive, as err says, and tells where it is. write
// writes it as JSON.
func rescued(cmd *cobra.Command, err error, command string, write func(io.Writer) error) error {
	name, serr := rescue(command, write)
	if serr != nil {
		return errors.Join(err, fmt.Errorf("nor can it be saved: %w", serr))
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "evdbench: the result was saved in %s\n", name)
	return err
}

func rescue(command string, write func(io.Writer) error) (string, error) {
	t, err := os.CreateTemp("", "evdbench-"+command+"-*.json")
	if err != nil {
		return "", err
	}
	if err := errors.Join(write(t), t.Close()); err != nil {
		_ = os.Remove(t.Name())
		return "", err
	}
	return t.Name(), nil
}

// document writes v as one indented JSON document.
func document(v any) func(io.Writer) error {
	return func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
}
