package lint

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// allTests returns the names of the repository's tests, by folder.
func allTests(t *testing.T) map[string]map[string]bool {
	t.Helper()
	have := map[string]map[string]bool{}
	decl := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir(top, func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		src, err := os.ReadFile(path)
		dir, _ := filepath.Rel(top, filepath.Dir(path))
		dir = filepath.ToSlash(dir)
		for _, m := range decl.FindAllStringSubmatch(string(src), -1) {
			if have[dir] == nil {
				have[dir] = map[string]bool{}
			}
			have[dir][m[1]] = true
		}
		return err
	})
	require.NoError(t, err)
	return have
}

// testsOf checks that every test that a document names exists, and returns the
// document.
func testsOf(t *testing.T, doc string) string {
	t.Helper()
	text := read(t, "docs", doc)
	have := map[string]bool{}
	for _, names := range allTests(t) {
		maps.Copy(have, names)
	}
	for _, name := range regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(text, -1) {
		require.True(t, have[name[1]], "docs/%s names %s, which is no test", doc, name[1])
	}
	return text
}

// TestFaultsTable: every fault has tests, and each name of a script is there.
func TestFaultsTable(t *testing.T) {
	text := testsOf(t, "FAULTS.md")
	rows := regexp.MustCompile(`(?m)^\| .* \|$`).FindAllString(text, -1)
	require.Greater(t, len(rows), 15)
	for _, row := range rows[1:] {
		require.Contains(t, row, "`Test", "no test")
	}
	src := read(t, "hwcq", "mock", "script.go")
	names := regexp.MustCompile(`\{"(\w+)", &f\.`).FindAllStringSubmatch(src, -1)
	require.NotEmpty(t, names)
	for _, name := range names {
		require.Contains(t, text, "| `"+name[1]+"`", "no row for the fault")
	}
}

// TestSemanticsTable: every test that docs/SEMANTICS.md names exists, no row of
// its tables is empty, and every race has its line.
func TestSemanticsTable(t *testing.T) {
	text := testsOf(t, "SEMANTICS.md")
	for _, line := range strings.Split(text, "\n") {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") {
			continue
		}
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for _, c := range cells {
			require.NotEmpty(t, strings.TrimSpace(c), "an empty cell: %s", line)
		}
		last := cells[len(cells)-1]
		require.True(t, strings.Contains(last, "Test") || strings.HasPrefix(strings.TrimSpace(last), "test"), "no test: %s", line)
	}
	for _, r := range [][2]int{{1, 59}} {
		for n := r[0]; n <= r[1]; n++ {
			line := regexp.MustCompile(fmt.Sprintf(`(?m)^- R%d(:| \().*$`, n)).FindString(text)
			require.NotEmpty(t, line, "race R%d has no line", n)
			require.True(t, strings.Contains(line, fmt.Sprintf("`TestR%02d", n)) || strings.Contains(line, "cannot exist: "), line)
		}
	}
}
