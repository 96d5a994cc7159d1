package legend

import (
	"regexp"
	"slices"
	"strings"
)

// prose are labels whose line is a sentence, or lists the settings.
var prose = []string{
	"evdbench", "config", "measures", "host", "clock", "warning", "violation", "partial", "peer lost", "invalid", "jitter", "found", "not run", "lost",
	"stages", "series", "recording", "A", "B", "interleaved", "differs", "over", "verdict",
}

const labelWidth = 12 // of texts, then two spaces

// Labels finds what needs an explanation in a text of evdbench: the labels of lines,
// the heads of columns, and the words before a number, in order. Sentences are passed
// over.
func Labels(text string) []string {
	var all []string
	add := func(s string) {
		s = strings.Trim(s, " :=")
		if s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	last := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if m := findingRE.FindStringSubmatch(line); m != nil {
			add(m[1])
			add(m[2])
			continue
		}
		if m := remarkRE.FindStringSubmatch(line); m != nil {
			add(m[1] + m[2] + m[3]) // one of them
			continue
		}
		if heads := columns(line); heads != nil {
			for _, h := range heads {
				add(h)
			}
			last = "evdbench" // rows and notes follow, up to the next label
			continue
		}
		label, rest, ok := split(line)
		if !ok {
			continue
		}
		if label != "" {
			add(label)
			last = label
		}
		if slices.Contains(prose, last) {
			continue
		}
		for _, m := range numberedRE.FindAllStringSubmatch(rest, -1) {
			add(m[1])
		}
	}
	return all
}

// split takes the label off a line that has one, or the place of one.
func split(line string) (label, rest string, ok bool) {
	if len(line) <= labelWidth+2 || line[labelWidth:labelWidth+2] != "  " || strings.HasPrefix(line, " ") && strings.TrimSpace(line[:labelWidth]) != "" {
		return "", "", false
	}
	return strings.TrimSpace(line[:labelWidth]), line[labelWidth+2:], true
}

// columns are the heads, if the line is made of them: three or more, and no number.
func columns(line string) []string {
	cells := gapRE.Split(strings.TrimSpace(line), -1)
	if len(cells) < 3 {
		return nil
	}
	for i, c := range cells {
		if confidenceRE.MatchString(c) {
			cells[i] = "95 % CI" // of whatever confidence
			continue
		}
		if c == "n/a" || !headRE.MatchString(c) { // no head says that there is nothing
			return nil
		}
	}
	return cells
}

var (
	findingRE    = regexp.MustCompile(`^(ok|note|WARN|FAIL) {2,4}([a-z_]+) `)                                              // of doctor
	remarkRE     = regexp.MustCompile(`^[a-z]+ +(available|unavailable) |^ +(fix|why|do): |(?:^ +|: )(ok|BROKEN|known)\b`) // of cqs, doctor, check
	gapRE        = regexp.MustCompile(`  +`)
	headRE       = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9./ %+()>,-]*$`)
	confidenceRE = regexp.MustCompile(`^[0-9.]+ % CI$`)
	numberedRE   = regexp.MustCompile(`(?:^|[,;(=:] ?|\+ )([A-Za-z][A-Za-z /-]*) [0-9]`)
)
