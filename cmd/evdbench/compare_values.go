package main

import (
	"errors"
	"strconv"
	"strings"
)

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
