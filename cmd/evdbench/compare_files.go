package main

import (
	"fmt"
	"path/filepath"
	"slices"

	"github.com/evdengine/evd/bench/compare"
	"github.com/evdengine/evd/bench/result"
)

// files compares result files.
func (c *comparing) files(args []string) (*compare.Result, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("compare what? Give two result files (A and B, or a pattern in quotes for each), or --binary, --a and --b, --engines or --aa; these are %d", len(args))
	}
	a, err := loadAll(args[0])
	if err != nil {
		return nil, err
	}
	b, err := loadAll(args[1])
	if err != nil {
		return nil, err
	}
	r, err := compare.Files(
		compare.Named{Name: args[0], Files: a}, compare.Named{Name: args[1], Files: b}, c.opts, c.force)
	return r, c.explain(err)
}

// loadAll reads the result files of a pattern. What the user named and cannot be read
// is a usage error.
func loadAll(pattern string) ([]*result.File, error) {
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		names = []string{pattern} // as it is: the error is that of opening it
	}
	slices.Sort(names)
	var all []*result.File
	for _, name := range names {
		f, err := result.Load(name)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}
