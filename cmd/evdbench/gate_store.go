package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/evdengine/evd/bench/result"
)

// defaultStore is where results are kept unless --store says otherwise.
const defaultStore = ".evdbench"

// store is a directory of results by name.
type store string

const suffix = ".json"

// path is the file of a name.
func (s store) path(name string) (string, error) {
	if name != filepath.Base(name) || strings.ContainsAny(name, `/\:`) || strings.HasPrefix(name, ".") {
		return "", errors.New("must be a plain name: it is that of a file in " + string(s))
	}
	return filepath.Join(string(s), name+suffix), nil
}

func (s store) load(name string) (*result.File, error) {
	path, err := s.path(name)
	if err != nil {
		return nil, err
	}
	f, err := result.Load(path)
	if errors.Is(err, os.ErrNotExist) {
		have := "nothing is saved there"
		if names := s.names(); len(names) > 0 {
			have = "there are " + strings.Join(names, ", ")
		}
		return nil, fmt.Errorf("must be a name under which --save has kept a result in %s: %s", s, have)
	}
	return f, err
}

// save replaces the result of that name only once the new one is written.
func (s store) save(name string, f *result.File) (err error) {
	path, err := s.path(name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(string(s), 0o777); err != nil {
		return err
	}
	w, err := os.CreateTemp(string(s), "."+name+"-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(w.Name())
		}
	}()
	if err := errors.Join(f.JSON(w), w.Chmod(0o644), w.Close()); err != nil {
		return err
	}
	return os.Rename(w.Name(), path)
}

// names are those of the results that there are.
func (s store) names() []string {
	files, _ := filepath.Glob(filepath.Join(string(s), "*"+suffix))
	var names []string
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), suffix))
	}
	return names
}
