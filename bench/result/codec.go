package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// Errors of Read and Load.
var (
	ErrFormat = errors.New("not a result of evdbench")
	ErrSchema = errors.New("a result of another version of evdbench")
)

// JSON writes f as one indented JSON document.
func (f *File) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(f)
}

// Read reads what JSON wrote. Errors match ErrFormat (not JSON, truncated,
// something else) or ErrSchema.
func Read(r io.Reader) (*File, error) {
	b, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	var head struct {
		Schema *int `json:"schema"`

		// Of what compare, doctor, cqs and check write.
		Compare  *int            `json:"compare_schema"`
		Findings json.RawMessage `json:"findings"`
		Drivers  json.RawMessage `json:"drivers"`
		Results  json.RawMessage `json:"results"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) && int(syntax.Offset) >= len(b) {
			return nil, fmt.Errorf("%w: it ends after %d bytes in the middle of something", ErrFormat, len(b))
		}
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	switch {
	case head.Compare != nil, head.Schema != nil && (head.Findings != nil || head.Drivers != nil || head.Results != nil):
		return nil, fmt.Errorf("%w that measures: it is one of compare, doctor, cqs or check", ErrFormat)
	case head.Schema == nil:
		return nil, fmt.Errorf("%w: it has no schema", ErrFormat)
	case *head.Schema != Schema:
		return nil, fmt.Errorf("%w: its schema is %d, and this evdbench reads %d", ErrSchema, *head.Schema, Schema)
	}
	f := &File{}
	if err := json.Unmarshal(b, f); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !f.whole() {
		return nil, fmt.Errorf("%w: a repetition, a cell or a histogram of it is null", ErrFormat)
	}
	return f, nil
}

// whole tells whether no part is missing.
func (f *File) whole() bool {
	for _, r := range f.Reps {
		if r == nil {
			return false
		}
		for _, h := range r.Histograms {
			if h == nil {
				return false
			}
		}
	}
	return !slices.ContainsFunc(f.Cells, func(c *File) bool { return c == nil || !c.whole() })
}

// Load reads the file of that name, which the result then has. Errors name it.
func Load(name string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r, err := Read(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.Name = name
	return r, nil
}
