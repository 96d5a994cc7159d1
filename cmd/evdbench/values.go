package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/evdengine/evd/bench"
)

// The flags' values know what is allowed, so that the message for a bad one
// says it.

// natural is a whole number of at least least, and at most most if that is not
// 0: the library knows the other limits.
type natural struct {
	v           *int
	least, most int
}

func (n natural) String() string {
	if n.v == nil || *n.v == 0 {
		return ""
	}
	return strconv.Itoa(*n.v)
}
func (n natural) Type() string { return "n" }

func (n natural) Set(s string) error {
	v, err := strconv.Atoi(s)
	switch {
	case n.most != 0 && (err != nil || v < n.least || v > n.most):
		return fmt.Errorf("must be a whole number, %d..%d", n.least, n.most)
	case errors.Is(err, strconv.ErrRange) && v > n.least:
		return fmt.Errorf("must be a whole number, %d or more, and this is too large", n.least)
	case err != nil || v < n.least:
		return fmt.Errorf("must be a whole number, %d or more", n.least)
	}
	*n.v = v
	return nil
}

// text is any text but none: an empty one is a script's variable that is not
// set, not a wish for the default.
type text struct {
	v    *string
	kind string
}

func (t text) String() string {
	if t.v == nil {
		return ""
	}
	return *t.v
}
func (t text) Type() string { return t.kind }

func (t text) Set(s string) error {
	if s == "" {
		return errors.New("must be a " + t.kind + ", or left out")
	}
	*t.v = s
	return nil
}

// count is a number of operations, such as 250000, 250k or 10M.
type count struct {
	v     *uint64
	least uint64
}

func (c count) String() string {
	if c.v == nil || *c.v == 0 {
		return ""
	}
	return strconv.FormatUint(*c.v, 10)
}
func (c count) Type() string { return "n" }

func (c count) Set(s string) error {
	v, ok := parseCount(s)
	if !ok || v < c.least {
		return fmt.Errorf("must be a whole number, %d..%d, such as 250000, 250k or 10M", c.least, uint64(maxCount))
	}
	*c.v = v
	return nil
}

// seed is any number of 64 bits.
type seed struct{ v *uint64 }

func (s seed) String() string {
	if s.v == nil {
		return "0"
	}
	return strconv.FormatUint(*s.v, 10)
}
func (s seed) Type() string { return "n" }

func (s seed) Set(t string) error {
	v, err := strconv.ParseUint(t, 10, 64)
	if err != nil {
		return errors.New("must be a whole number, 0..18446744073709551615")
	}
	*s.v = v
	return nil
}

// maxCount keeps sums of counts far from an overflow; the sequence numbers
// have 48 bits.
const maxCount = 1 << 47

func parseCount(s string) (uint64, bool) {
	unit := uint64(1)
	for _, u := range []struct {
		suffix string
		n      uint64
	}{{"k", 1e3}, {"M", 1e6}, {"G", 1e9}} {
		if rest, ok := strings.CutSuffix(s, u.suffix); ok {
			s, unit = rest, u.n
			break
		}
	}
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil || v > maxCount/unit {
		return 0, false
	}
	return v * unit, true
}

// positive is a duration above 0. auto, if set, is a word for 0.
type positive struct {
	v    *time.Duration
	auto string
}

func (p positive) String() string {
	if p.v == nil || *p.v == 0 {
		return p.auto
	}
	return p.v.String()
}
func (p positive) Type() string { return "time" }

func (p positive) Set(s string) error {
	if p.auto != "" && s == p.auto {
		*p.v = 0
		return nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 {
		allowed := "must be a time above 0, such as 500us or 10s"
		if p.auto != "" {
			allowed += ", or " + p.auto
		}
		return errors.New(allowed)
	}
	*p.v = d
	return nil
}

// span is a warm-up: a time, a number of operations, or 0.
type span struct{ v *bench.Span }

func (s span) String() string {
	if s.v == nil || *s.v == (bench.Span{}) {
		return ""
	}
	return s.v.String()
}
func (s span) Type() string { return "time|n" }

func (s span) Set(t string) error {
	if n, ok := parseCount(t); ok {
		*s.v = bench.Span{Count: n, Off: n == 0}
		return nil
	}
	d, err := time.ParseDuration(t)
	if err != nil || d < 0 {
		return fmt.Errorf("must be a time (100ms), a number of operations (1000; at most %d), or 0", uint64(maxCount))
	}
	*s.v = bench.Span{Time: d, Off: d == 0}
	return nil
}

// choice is one of a few words.
type choice struct {
	v       *string
	allowed []string
}

func (c choice) String() string {
	if c.v == nil {
		return ""
	}
	return *c.v
}
func (c choice) Type() string { return strings.Join(c.allowed, "|") }

func (c choice) Set(s string) error {
	for _, a := range c.allowed {
		if s == a {
			*c.v = s
			return nil
		}
	}
	last := len(c.allowed) - 1
	if last == 0 {
		return errors.New("must be " + c.allowed[0])
	}
	return errors.New("must be " + strings.Join(c.allowed[:last], ", ") + " or " + c.allowed[last])
}
