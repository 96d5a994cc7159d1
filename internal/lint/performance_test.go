package lint

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/PERFORMANCE.md: what it names exists, so that its figures can be taken again, and
// each goal that is short says why, with three things that were tried.
func TestPerformanceDocument(t *testing.T) {
	text := testsOf(t, "PERFORMANCE.md")
	each := func(re string, check func(name string)) {
		t.Helper()
		found := regexp.MustCompile(re).FindAllStringSubmatch(text, -1)
		require.NotEmpty(t, found, "docs/PERFORMANCE.md has nothing like %s: is the expression still right?", re)
		for _, m := range found {
			check(m[1])
		}
	}
	benches := ""
	files, err := filepath.Glob(filepath.Join(top, "engine", "*_test.go"))
	require.NoError(t, err)
	for _, name := range files {
		src, err := os.ReadFile(name)
		require.NoError(t, err)
		benches += string(src)
	}
	each("`(Benchmark\\w+)`", func(name string) {
		require.Contains(t, benches, "func "+name+"(b *testing.B)", "no such benchmark")
	})
	each(`-bench (\w+)`, func(name string) {
		require.Regexp(t, `func Benchmark\w*`+name+`\w*\(b \*testing\.B\)`, benches)
	})
	each("(?m)^\\| `([\\w+]+)` \\|", func(rung string) {
		require.Contains(t, benches, `{name: "`+rung+`"`, "no such rung")
	})
	memory := read(t, "docs", "MEMORY.md")
	each(`\[([A-Z]\d?)\]`, func(label string) {
		require.Contains(t, memory, "\n| "+label+" |", "no such label")
	})
	targets := read(t, "Makefile")
	each("`make ([a-z-]+)", func(target string) {
		require.Contains(t, targets, "\n"+target+":", "no such target")
	})

	_, goals, _ := strings.Cut(text, "\n## Goals\n")
	short := regexp.MustCompile(`(?m)^\| (?:(G\d+)|(Poll)).*short.* \|$`).FindAllStringSubmatch(goals, -1)
	require.NotEmpty(t, short)
	for _, m := range short {
		why := regexp.MustCompile(`(?ms)^- \*\*` + m[1] + m[2] + `\b.*?(?:^- |\n\n|\z)`).FindString(goals)
		require.NotEmpty(t, why, "%s is short, and nothing says why", m[0])
		_, tried, _ := strings.Cut(why, "Tried:")
		require.GreaterOrEqual(t, len(strings.FieldsFunc(tried, func(r rune) bool { return r == ';' })), 3, "%s: three things are to be tried", m[0])
	}
}
