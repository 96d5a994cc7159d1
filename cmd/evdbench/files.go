package main

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench/chart"
	"github.com/evdengine/evd/bench/render"
	"github.com/evdengine/evd/bench/result"
)

// someFiles wants one argument or more.
func someFiles(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("which file? It must be the name of a result that evdbench saved, or - for standard input")
	}
	return nil
}

// loadFiles reads results. What is no result is a mistake of usage: nothing was
// done yet.
func loadFiles(stdin io.Reader, names []string) ([]*result.File, error) {
	var files []*result.File
	var errs []error
	read := false
	for _, name := range names {
		var f *result.File
		var err error
		switch {
		case name == "":
			err = errors.New(`FILE = "": must be the name of a file`)
		case name == "-" && read:
			err = errors.New("FILE = -: must be given once: standard input can be read only once")
		case name == "-":
			read = true
			if f, err = result.Read(stdin); err == nil {
				f.Name = "standard input"
			} else {
				err = fmt.Errorf("standard input: %w", err)
			}
		default:
			f, err = result.Load(name)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		files = append(files, f)
	}
	return files, errors.Join(errs...)
}

// missing marks an error that is not for want of data: a result that has not got
// what is asked for is a mistake of usage.
func missing(err error) error {
	if errors.Is(err, chart.ErrMissing) {
		return err
	}
	return failed(err)
}

// notInput refuses to write over what is read.
func notInput(out string, names []string) error {
	o, err := os.Stat(out)
	if out == "" || err != nil {
		return nil
	}
	for _, name := range names {
		if i, err := os.Stat(name); err == nil && os.SameFile(i, o) {
			return fmt.Errorf("--out = %s: must be another file than those read: the measurement would be lost", out)
		}
	}
	return nil
}

// writeOut calls write for standard output, or for the file of that name. The file
// comes into its place when it is complete: what was there stays until then.
func writeOut(stdout io.Writer, name string, write func(io.Writer) error) error {
	if name == "" {
		return failed(write(stdout))
	}
	if i, err := os.Stat(name); err == nil && !i.Mode().IsRegular() {
		// A pipe or a device: nothing can be put in its place.
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err == nil {
			err = errors.Join(write(f), f.Close())
		}
		return notWritten(name, err)
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return notWritten(name, err)
	}
	err = write(f)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return notWritten(name, err)
}

// notWritten says which file could not be written.
func notWritten(name string, err error) error {
	if err == nil {
		return nil
	}
	return failed(fmt.Errorf("--out = %s: cannot be written: %w", name, cause(err)))
}

// cause leaves out the name of the temporary file.
func cause(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// add puts rows at the end of a file of csv.
func (r *reporting) add(files []*result.File) error {
	old, err := os.ReadFile(r.out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return failed(fmt.Errorf("--out = %s: cannot be read: %w", r.out, cause(err)))
	}
	if len(old) > 0 {
		head, err := csv.NewReader(bytes.NewReader(old)).Read()
		if err != nil || !slices.Equal(head, render.CSVHeader()) {
			return failed(fmt.Errorf("--out = %s: its first row is not that of this evdbench's csv: write to another file", r.out))
		}
		if old[len(old)-1] != '\n' {
			return failed(fmt.Errorf("--out = %s: its last row is cut off: write to another file", r.out))
		}
	}
	r.o.NoHeader = len(old) > 0
	var b bytes.Buffer
	if err := r.o.Write(&b, r.format, files...); err != nil {
		return failed(err)
	}
	f, err := os.OpenFile(r.out, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.Write(b.Bytes())
		err = errors.Join(err, f.Close())
	}
	return notWritten(r.out, err)
}

// ending is that of a file's name, in small letters.
func ending(name string) string {
	return strings.ToLower(strings.TrimPrefix(filepath.Ext(name), "."))
}
