package main

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench/render"
)

// reporting are the flags of report.
type reporting struct {
	format string
	out    string
	more   bool // to a file that is there
	o      render.Options
}

func newReport() *cobra.Command {
	r := &reporting{}
	formats := render.Formats()
	cmd := &cobra.Command{
		Use:   "report FILE...",
		Short: "Write saved results in another form",
		Long: `report reads results that evdbench has saved (-o json, or --out) and writes them
in another form. With several files they come one after the other, or as one
table or page where the form has room for several. FILE may be - for standard
input. Nothing is measured, and the files stay as they are.

Forms:
` + formatList() + `
csv has the same columns for every result, in the same order: --append adds rows
to a file. hlog and hdr are for the tools of HdrHistogram, benchfmt for benchstat.
html is one file without anything from elsewhere: charts and tables, to be mailed
or kept.

  evdbench lat -o json > lat.json
  evdbench report lat.json -o html --out lat.html
  evdbench report old.json new.json -o benchfmt > both.txt && benchstat both.txt`,
		Args: someFiles,
		RunE: func(cmd *cobra.Command, args []string) error { return r.run(cmd, args) },
	}
	f := cmd.Flags()
	f.VarP(choice{&r.format, formats}, "output", "o", "form of the report (default text, or what the name of --out says)")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	f.Var(text{&r.out, "file"}, "out", "write to this file (default standard output)")
	f.BoolVar(&r.more, "append", false, "csv: add rows to the file of --out, if it is there (default write it anew)")
	f.Var(text{&r.o.Histogram, "name"}, "histogram", "hdr: service, response, stage/NAME or jitter (default service, or the first there is)")
	return cmd
}

func formatList() string {
	var b strings.Builder
	for _, f := range render.Formats() {
		fmt.Fprintf(&b, "  %-9s %s\n", f, render.About(f))
	}
	return b.String()
}

// endings are the names' ends that say a form, beside those that are called so.
var endings = map[string]string{"txt": "text", "htm": "html", "markdown": "md", "bench": "benchfmt", "hgrm": "hdr"}

func (r *reporting) run(cmd *cobra.Command, args []string) error {
	if r.format == "" {
		r.format = "text"
		end := ending(r.out)
		if form := endings[end]; form != "" {
			end = form
		}
		if slices.Contains(render.Formats(), end) {
			r.format = end
		}
	}
	switch {
	case r.more && r.format != "csv":
		return fmt.Errorf("--append = true: must be left out with --output %s: only rows of csv can be added", r.format)
	case r.more && r.out == "":
		return fmt.Errorf("--append = true: must be left out without --out: standard output adds by itself")
	case r.o.Histogram != "" && r.format != "hdr":
		return fmt.Errorf("--histogram = %q: must be left out with --output %s: it is for hdr", r.o.Histogram, r.format)
	}
	files, err := loadFiles(cmd.InOrStdin(), args)
	if err != nil {
		return err
	}
	if err := notInput(r.out, args); err != nil {
		return err
	}
	if r.more {
		return r.add(files)
	}
	var b bytes.Buffer
	if err := r.o.Write(&b, r.format, files...); err != nil {
		return missing(err)
	}
	return writeOut(cmd.OutOrStdout(), r.out, func(w io.Writer) error {
		_, err := w.Write(b.Bytes())
		return err
	})
}
