package lint

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const top = "../.."

func read(t *testing.T, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(append([]string{top}, path...)...))
	require.NoError(t, err)
	return string(b)
}

var labelRE = regexp.MustCompile(`\[([A-Z]\d?)\]`)

// labels returns the labels in the comments of files, with the files' names.
func labels(t *testing.T, comment *regexp.Regexp, pattern ...string) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(append([]string{top}, pattern...)...))
	require.NoError(t, err)
	out := map[string]string{}
	for _, f := range files {
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, c := range comment.FindAllString(string(b), -1) {
			for _, m := range labelRE.FindAllStringSubmatch(c, -1) {
				out[m[1]] += filepath.Base(f) + " "
			}
		}
	}
	return out
}

var (
	goComment = regexp.MustCompile(`//.*`)
	pmComment = regexp.MustCompile(`(?s)/\*.*?\*/`)
)

// The transitions of the engine, with those of the io_uring driver, and those of the
// model have the same labels.
func TestLabelsOfModel(t *testing.T) {
	code := labels(t, goComment, "engine", "*.go")
	driver := labels(t, goComment, "hwcq", "uring", "*.go")
	require.NotEmpty(t, driver)
	for label := range driver {
		require.NotContains(t, code, label, "a label of the engine's is one of hwcq/uring's")
	}
	maps.Copy(code, driver)
	model := labels(t, pmComment, "model", "*.pml")
	require.Greater(t, len(code), 30)
	require.Equal(t, slices.Sorted(maps.Keys(code)), slices.Sorted(maps.Keys(model)))
}

// mutantsOf returns the mutants of a package by id, with their clauses, of all the
// tables that are named after it.
func mutantsOf(t *testing.T, pkg string) map[string]string {
	t.Helper()
	name := pkg[strings.LastIndexByte(pkg, '/')+1:]
	out := map[string]string{}
	files, err := filepath.Glob(filepath.Join(top, "internal", "mutants", "table_*.go"))
	require.NoError(t, err)
	table := regexp.MustCompile(`(?ms)^var ` + name + `\w*Mutants = \[\]mutant\{$.*?^\}$`)
	line := regexp.MustCompile(`(?m)^\t\{"(\w+)", "([^"]+)", `)
	for _, f := range files {
		b, err := os.ReadFile(f)
		require.NoError(t, err)
		for _, m := range line.FindAllStringSubmatch(table.FindString(string(b)), -1) {
			out[m[1]] = m[2]
		}
	}
	require.NotEmpty(t, out, pkg)
	return out
}

// elsewhere are the mutants that docs/MEMORY.md lists beside a label that is
// not their clause, and why.
var elsewhere = map[string]string{
	"engine R3 D2": "a Dequeue that does not look at TAKE meets what [R3] guards, from the other side",
	"engine P2 P3": "without [P2] the word that [P3] compares with says nothing: one mistake shows both",
	"ring C3 r17":  "it calls the store of [C3] too late",
}

// docs/MEMORY.md has a line for every label, in the file that it names, with
// mutants of that clause and tests of that package.
func TestMemoryTable(t *testing.T) {
	tests := allTests(t)
	excused := map[string]bool{}
	for _, section := range strings.Split(read(t, "docs", "MEMORY.md"), "\n## ")[1:] {
		pkg, body, _ := strings.Cut(section, "\n")
		code := labels(t, goComment, filepath.FromSlash(pkg), "*.go")
		mutants := mutantsOf(t, pkg)
		listed := map[string]bool{}
		for _, line := range strings.Split(body, "\n") {
			cells := strings.Split(strings.Trim(line, "|"), "|")
			if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.Contains(line, "| shown by |") {
				continue
			}
			shown := cells[len(cells)-1]
			names := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(shown, -1)
			require.NotEmpty(t, names, "no test: %s", line)
			for _, n := range names {
				require.True(t, tests[pkg][n[1]], "%s: no such test in %s: %s", n[1], pkg, line)
			}
			label, place := "", strings.TrimSpace(cells[0])
			if len(cells) > 6 {
				label, place = place, strings.TrimSpace(cells[1])
			}
			if ids, _, found := strings.Cut(shown, ";"); found {
				for _, id := range strings.Split(ids, ",") {
					id = strings.TrimSpace(id)
					require.Contains(t, mutants, id, "%s: no such mutant of %s: %s", id, pkg, line)
					if label != "" && mutants[id] != label {
						excuse := pkg + " " + label + " " + id
						require.NotEmpty(t, elsewhere[excuse], "mutant %s is of clause %s, not of [%s], and elsewhere has no %q: %s", id, mutants[id], label, excuse, line)
						excused[excuse] = true
					}
				}
			}
			if label == "" {
				file, _, _ := strings.Cut(place, ",")
				read(t, pkg, file)
				continue
			}
			require.Len(t, cells, 7, line)
			require.False(t, listed[label], "%s twice in %s", label, pkg)
			listed[label] = true
			require.Contains(t, code[label], place+" ", "%s: [%s] does not stand in %s", pkg, label, place)
		}
		require.Equal(t, slices.Sorted(maps.Keys(code)), slices.Sorted(maps.Keys(listed)), "labels of %s, and those listed", pkg)
	}
	require.Equal(t, slices.Sorted(maps.Keys(elsewhere)), slices.Sorted(maps.Keys(excused)), "reasons in elsewhere, and those that are needed")
}
