// Package render writes results: as text, JSON, HTML and in the formats of other
// tools.
//
// The package neither prints nor exits.
package render

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/internal/param"
)

// Options say what is written beside what a format has by itself. The zero value is
// all of it.
type Options struct {
	// Histogram is the one that format hdr writes; "": service, or the first there is.
	Histogram string
	// NoHeader leaves out the header of csv: the rows continue a file that has it.
	NoHeader bool
}

// A format writes results.
type format struct {
	name  string
	about string
	write func(io.Writer, Options, []*result.File) error
}

var formats = []format{
	{"text", "for people, at most 120 columns", text},
	{"json", "all of it, as it is stored", documents("  ")},
	{"ndjson", "the same, one line a result", documents("")},
	{"csv", "one row a repetition", csvRows},
	{"benchfmt", "Go's benchmark format, for benchstat", goBench},
	{"hlog", "HdrHistogram's log, with whole histograms", hdrLog},
	{"hdr", "the percentiles of one histogram, for HdrHistogram's plotter", hdrText},
	{"md", "tables of Markdown", markdown},
	{"html", "one file for a browser, with charts", htmlPage},
}

// Formats lists the names that Write knows, the default first.
func Formats() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	return names
}

// About says what a format is.
func About(name string) string {
	for _, f := range formats {
		if f.name == name {
			return f.about
		}
	}
	return ""
}

// Write writes results in the format of that name, one of Formats: one after
// another, or as one where the format has room for several.
func Write(w io.Writer, name string, files ...*result.File) error {
	return Options{}.Write(w, name, files...)
}

// Write is Write with options.
func (o Options) Write(w io.Writer, name string, files ...*result.File) error {
	for _, f := range formats {
		if f.name == name {
			return f.write(w, o, files)
		}
	}
	return param.Invalid("render: Write", "format", fmt.Sprintf("%q", name), "one of "+strings.Join(Formats(), ", "))
}

func documents(indent string) func(io.Writer, Options, []*result.File) error {
	return func(w io.Writer, _ Options, files []*result.File) error {
		e := json.NewEncoder(w)
		e.SetIndent("", indent)
		for _, f := range files {
			if err := e.Encode(f); err != nil {
				return err
			}
		}
		return nil
	}
}
