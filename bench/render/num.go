package render

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/evdengine/evd/bench/chart"
)

// group writes 1234567 as 1 234 567.
func group(n int64) string {
	if n < 0 {
		return "-" + groupU(uint64(-n))
	}
	return groupU(uint64(n))
}

func groupU(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

// whole is group of the nearest whole number.
func whole(f float64) string { return group(int64(math.Round(f))) }

// nanos writes a time with three digits and its unit: 2.31µs.
func nanos(ns float64) string {
	d := time.Duration(math.Round(ns))
	if d.Abs() < 1000 {
		return d.String()
	}
	step := time.Duration(1)
	for d.Abs()/step >= 1000 {
		step *= 10
	}
	return d.Round(step).String()
}

// span writes a time as for a sentence: 2.31 µs.
func span(ns float64) string { return axisNanos.Format(ns) }

var axisNanos = chart.Axis{Unit: chart.Nanos}

// count writes a number with three digits and a unit: 1.23M.
func count(f float64) string {
	unit := ""
	for _, u := range []string{"k", "M", "G", "T"} {
		if math.Abs(f) < 999.5 {
			break
		}
		f, unit = f/1000, u
	}
	digits := 0
	switch a := math.Abs(f); {
	case unit == "" && f == math.Trunc(f):
	case a < 9.995:
		digits = 2
	case a < 99.95:
		digits = 1
	}
	s := strconv.FormatFloat(f, 'f', digits, 64)
	if digits > 0 {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s + unit
}
