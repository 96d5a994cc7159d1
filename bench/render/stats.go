package render

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

// median of what the repetitions have; false: none has it.
func median(reps []*bench.Report, of func(*bench.Report) (float64, bool)) (float64, bool) {
	m, _, _, ok := result.Metric{Of: of}.Median(reps)
	return m, ok
}

// keys of a map, in order.
func keys(m map[string]string) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	slices.Sort(all)
	return all
}

// pairs writes a map as k=v k=v. Values that would be read as two are quoted.
func pairs(m map[string]string) string {
	var b []string
	for _, k := range keys(m) {
		b = append(b, bare(k)+"="+bare(m[k]))
	}
	return strings.Join(b, " ")
}

func bare(s string) string {
	if s == "" || strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
