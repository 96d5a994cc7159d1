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

// The transitions of the engine and those of the model have the same labels.
func TestLabelsOfModel(t *testing.T) {
	code := labels(t, goComment, "engine", "*.go")
	model := labels(t, pmComment, "model", "*.pml")
	require.Greater(t, len(code), 30)
	require.Equal(t, slices.Sorted(maps.Keys(code)), slices.Sorted(maps.Keys(model)))
}

// docs/MEMORY.md has a line for every label, in the file that it names, with
// mutants and tests that exist.
func TestMemoryTable(t *testing.T) {
	tests := map[string]bool{}
	decl := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	for _, dir := range []string{"engine", "ring", filepath.Join("hwcq", "mock")} {
		files, err := filepath.Glob(filepath.Join(top, dir, "*_test.go"))
		require.NoError(t, err)
		for _, f := range files {
			b, err := os.ReadFile(f)
			require.NoError(t, err)
			for _, m := range decl.FindAllStringSubmatch(string(b), -1) {
				tests[m[1]] = true
			}
		}
	}
	mutants := map[string]bool{}
	for _, name := range []string{"engine", "ring", "mock"} {
		for _, m := range regexp.MustCompile(`(?m)^\t\{"(\w+)", "`).FindAllStringSubmatch(read(t, "internal", "mutants", "table_"+name+".go"), -1) {
			mutants[m[1]] = true
		}
	}
	require.Greater(t, len(mutants), 100)
	for _, section := range strings.Split(read(t, "docs", "MEMORY.md"), "\n## ")[1:] {
		pkg, body, _ := strings.Cut(section, "\n")
		code := labels(t, goComment, filepath.FromSlash(pkg), "*.go")
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
				require.True(t, tests[n[1]], "%s: no such test: %s", n[1], line)
			}
			ids, _, found := strings.Cut(shown, ";")
			if found {
				for _, id := range strings.Split(ids, ",") {
					require.True(t, mutants[strings.TrimSpace(id)], "%s: no such mutant: %s", id, line)
				}
			}
			if len(cells) == 6 { // no label
				file, _, _ := strings.Cut(strings.TrimSpace(cells[0]), ",")
				read(t, pkg, file)
				continue
			}
			require.Len(t, cells, 7, line)
			label, file := strings.TrimSpace(cells[0]), strings.TrimSpace(cells[1])
			require.False(t, listed[label], "%s twice in %s", label, pkg)
			listed[label] = true
			require.Contains(t, code[label], file+" ", "%s: [%s] does not stand in %s", pkg, label, file)
		}
		require.Equal(t, slices.Sorted(maps.Keys(code)), slices.Sorted(maps.Keys(listed)), "labels of %s, and those listed", pkg)
	}
}
