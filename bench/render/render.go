// Package render writes results: as text, JSON and in the formats of other
// tools.
//
// The package neither prints nor exits.
package render

import (
	"fmt"
	"io"
	"strings"

	"github.com/evdengine/evd/bench/result"
)

// A format writes a result.
type format struct {
	name  string
	write func(io.Writer, *result.File) error
}

var formats = []format{
	{"text", Text},
	{"json", func(w io.Writer, f *result.File) error { return f.JSON(w) }},
}

// Formats lists the names that Write knows, the default first.
func Formats() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.name
	}
	return names
}

// Write writes f in the format of that name, one of Formats.
func Write(w io.Writer, name string, f *result.File) error {
	for _, x := range formats {
		if x.name == name {
			return x.write(w, f)
		}
	}
	return fmt.Errorf("render: format = %q: must be one of %s", name, strings.Join(Formats(), ", "))
}

// Text writes f for people.
func Text(w io.Writer, f *result.File) error {
	for _, r := range f.Reps {
		if err := r.Text(w); err != nil {
			return err
		}
	}
	return nodes(w, f)
}
