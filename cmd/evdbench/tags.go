package main

import (
	"errors"
	"maps"
	"slices"
	"strings"
)

// tags are labels, key=value; each use of the flag adds one.
type tags struct{ m map[string]string }

func (t *tags) String() string { return strings.Join(t.GetSlice(), ",") }
func (t *tags) Type() string   { return "key=value" }

func (t *tags) Set(s string) error {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" || strings.ContainsAny(s, "\n\r") {
		return errors.New("must be key=value, on one line")
	}
	if t.m == nil {
		t.m = map[string]string{}
	}
	t.m[key] = value
	return nil
}

// Append, Replace and GetSlice are of pflag.SliceValue.
func (t *tags) Append(s string) error { return t.Set(s) }

// Replace puts all of these in the place of what there is.
func (t *tags) Replace(all []string) error {
	n := &tags{}
	for _, s := range all {
		if err := n.Set(s); err != nil {
			return err
		}
	}
	t.m = n.m
	return nil
}

// GetSlice lists them, sorted.
func (t *tags) GetSlice() []string {
	var all []string
	for _, k := range slices.Sorted(maps.Keys(t.m)) {
		all = append(all, k+"="+t.m[k])
	}
	return all
}
