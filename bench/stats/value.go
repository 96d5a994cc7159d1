package stats

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Format writes a value with its unit for people: "2 104 ns", "61 %".
func Format(v float64, unit string) string {
	if math.IsNaN(v) {
		return "n/a"
	}
	s := ""
	switch abs := math.Abs(v); {
	case abs >= 100 || v == math.Trunc(v):
		s = group(strconv.FormatFloat(math.Round(v), 'f', 0, 64))
	case abs >= 1:
		s = strconv.FormatFloat(v, 'f', 1, 64)
	default:
		s = strconv.FormatFloat(v, 'g', 3, 64)
	}
	switch unit {
	case Number:
		return s
	case PerSecond:
		return s + unit
	}
	return s + " " + unit
}

// Short is Format in nine characters or fewer, for columns: "44.43M/s", "104.0 us".
func Short(v float64, unit string) string {
	abs := math.Abs(v)
	if math.IsNaN(v) || abs < 1e4 || abs >= 1e13 {
		return Format(v, unit)
	}
	scale, names := 1e3, []string{"k", "M", "G", "T"}
	if unit == Nanos {
		names = []string{" us", " ms", " s", " ks"}
	}
	i := 0
	for abs >= 0.99995*scale*1e3 && i+1 < len(names) {
		scale *= 1e3
		i++
	}
	digits := 2
	if abs >= 99.995*scale {
		digits = 1
	}
	s := strconv.FormatFloat(v/scale, 'f', digits, 64) + names[i]
	switch unit {
	case PerSecond:
		return s + unit
	case Nanos, Number:
		return s
	}
	return s + " " + unit
}

// group writes 1234567 as 1 234 567.
func group(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return sign + s
}

// Parse reads a value of that unit: 5us or 5000 for times, 200k, 200k/s or 1.5M for
// rates and counts, 80 % for percentages.
func Parse(s, unit string) (float64, error) {
	s = strings.TrimSpace(s)
	allowed := map[string]string{
		Nanos: "a time such as 5us", PerSecond: "a rate such as 200k/s", Percent: "a percentage such as 80%",
		Number: "a number such as 12 or 10k", Seconds: "a time such as 1.5s",
	}[unit]
	bad := fmt.Errorf("%q must be %s", s, allowed)
	if unit == Nanos || unit == Seconds {
		if d, err := time.ParseDuration(strings.ReplaceAll(s, " ", "")); err == nil {
			if unit == Seconds {
				return d.Seconds(), nil
			}
			return float64(d), nil
		}
	}
	number := s
	switch unit {
	case PerSecond:
		number = strings.TrimSpace(strings.TrimSuffix(number, "/s"))
	case Percent:
		number = strings.TrimSuffix(number, "%")
	}
	factor := 1.0
	if unit == PerSecond || unit == Number {
		for suffix, f := range map[string]float64{"k": 1e3, "M": 1e6, "G": 1e9} {
			if n, ok := strings.CutSuffix(number, suffix); ok {
				number, factor = n, f
				break
			}
		}
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, bad
	}
	return v * factor, nil
}
