package main

import (
	"errors"
	"strconv"
	"strings"
)

// texts are those of a flag that may be repeated; none of them is empty.
type texts struct {
	v    *[]string
	kind string
}

func (t texts) String() string {
	if t.v == nil {
		return ""
	}
	return strings.Join(*t.v, ",")
}
func (t texts) Type() string { return t.kind }

func (t texts) Set(s string) error {
	if s == "" {
		return errors.New("must be a " + t.kind + ", or left out")
	}
	*t.v = append(*t.v, s)
	return nil
}

// Append, Replace and GetSlice make it a pflag.SliceValue, for settings from files.
func (t texts) Append(s string) error { return t.Set(s) }

// Replace sets all texts.
func (t texts) Replace(all []string) error { *t.v = all; return nil }

// GetSlice returns all texts.
func (t texts) GetSlice() []string { return *t.v }

// share is a percentage.
type share struct{ v *float64 }

func (s share) String() string {
	if s.v == nil || *s.v == 0 {
		return ""
	}
	return strconv.FormatFloat(100**s.v, 'g', -1, 64) + "%"
}
func (s share) Type() string { return "percent" }

func (s share) Set(t string) error {
	v, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(t), "%")), 64)
	if err != nil || !(v > 0 && v <= 1e6) {
		return errors.New("must be a percentage above 0, such as 5%")
	}
	*s.v = v / 100
	return nil
}
