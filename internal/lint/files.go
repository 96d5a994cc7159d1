package lint

import (
	"regexp"
	"strings"
)

// maxLines is the cap on a source file: one job each.
const maxLines = 400

// fileLength caps Go files. Tests and tables (files named *_table.go, and
// generated ones) are excepted.
func fileLength(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Go(false) {
		n := strings.Count(f.Text, "\n")
		table := strings.HasSuffix(f.Path, "_table.go") || generatedRE.MatchString(f.Text)
		if n > maxLines && !table {
			out = append(out, f.problem(0, "%d lines, at most %d: give each file one job", n, maxLines))
		}
	}
	return out
}

var generatedRE = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

// machineRE matches absolute paths that exist on somebody's machine only.
var machineRE = regexp.MustCompile(`(^|[^A-Za-z0-9_.$}-])/(work|home|root|Users|mnt)/[A-Za-z0-9_.]`)

// machinePaths looks into every text file, not only Go.
func machinePaths(t *Tree) []Problem {
	var out []Problem
	for _, f := range t.Files {
		n := 0
		for line := range strings.Lines(f.Text) {
			n++
			if m := machineRE.FindString(line); m != "" {
				out = append(out, Problem{f.Path, n, "path of one machine: " + strings.TrimSpace(line)})
			}
		}
	}
	return out
}
