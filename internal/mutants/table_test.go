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
	for _, m := range regexp.MustCompile(`(?m)^(m[a-z]?\d+)-`).FindAllStringSubmatch(string(text), -1) {
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
