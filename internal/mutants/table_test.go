package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const root = "../.."

// Every edit still fits its file, every mutant is in an edit, and the other
// way round.
func TestTables(t *testing.T) {
	used := regexp.MustCompile(`mutant\("(\w+)"\)`)
	seen := map[string]bool{}
	for _, s := range suites {
		_, err := s.files(root)
		require.NoError(t, err)
		in := map[string]bool{}
		for _, e := range s.edits {
			require.True(t, strings.HasPrefix(e.file, s.pkg+"/"), e.file)
			for _, m := range used.FindAllStringSubmatch(e.new, -1) {
				in[m[1]] = true
			}
		}
		for _, m := range s.mutants {
			require.False(t, seen[m.id], "two mutants are called %s", m.id)
			seen[m.id] = true
			require.True(t, in[m.id], "no edit makes mutant %s", m.id)
			delete(in, m.id)
			require.NotEmpty(t, m.what)
			require.NotEmpty(t, m.tests)
		}
		require.Empty(t, in, "edits without a mutant")
	}
	require.Greater(t, len(seen), 100)
}

// Every mutant of the model has its twin in the code.
func TestModelMutants(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "model", "cases.txt"))
	require.NoError(t, err)
	cases := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^(m\d+)-`).FindAllStringSubmatch(string(text), -1) {
		cases[m[1]] = true
	}
	require.Greater(t, len(cases), 50)
	twin := map[string]bool{}
	for _, s := range suites {
		for _, m := range s.mutants {
			if m.model != "" {
				require.True(t, cases[m.model], "%s names %s, which is not in the model", m.id, m.model)
				twin[m.model] = true
			}
		}
	}
	for id := range cases {
		require.True(t, twin[id] || none[id] != "", "%s of the model has no twin", id)
		require.False(t, twin[id] && none[id] != "", "%s has a twin, and a reason for none", id)
	}
}

// A clause that is called by a label has that label in the package.
func TestClauses(t *testing.T) {
	label := regexp.MustCompile(`^[A-Z]\d?$`)
	for _, s := range suites {
		files, err := filepath.Glob(filepath.Join(root, s.pkg, "*.go"))
		require.NoError(t, err)
		var code strings.Builder
		for _, f := range files {
			if !strings.HasSuffix(f, "_test.go") {
				b, err := os.ReadFile(f)
				require.NoError(t, err)
				code.Write(b)
			}
		}
		for _, m := range s.mutants {
			require.True(t, !label.MatchString(m.clause) || strings.Contains(code.String(), "["+m.clause+"]"), "mutant %s: no [%s] in %s", m.id, m.clause, s.pkg)
		}
	}
}

// A mutation that nobody would notice is reported.
func TestSurvivor(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a package")
	}
	s := suite{
		"ring",
		[]mutant{{"harmless", "P5", "nothing is wrong", "idling", ""}},
		[]edit{{"ring/mpsc.go", "	r.tail.Or(closedBit) // [P5]", "	if mutant(\"harmless\") {\n		r.tail.Or(closedBit)\n	}\n	r.tail.Or(closedBit) // [P5]"}},
		ringTests, `import "os"`, "",
	}
	top, err := moduleRoot()
	require.NoError(t, err)
	bin, err := s.build(top, t.TempDir())
	require.NoError(t, err)
	v := job{suite: s, mutant: s.mutants[0], bin: bin, dir: filepath.Join(top, "ring")}.run(unitBudget)
	require.False(t, v.caught)
	require.Equal(t, "survived idling", v.reason)

	s.mutants[0].tests = "none of that name"
	v = job{suite: s, mutant: s.mutants[0], bin: bin, dir: filepath.Join(top, "ring")}.run(unitBudget)
	require.False(t, v.caught)
	require.Contains(t, v.reason, "no test matches")

	s.edits[0].old = "no such text"
	_, err = s.build(top, t.TempDir())
	require.ErrorContains(t, err, "occurs 0 times")
}
