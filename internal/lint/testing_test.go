package lint

import (
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// docs/TESTING.md: what its commands and its text name exists.
func TestTestingDocument(t *testing.T) {
	text := testsOf(t, "TESTING.md")
	// each calls check with what re finds, of which there must be something.
	each := func(re string, check func(m []string)) {
		t.Helper()
		found := regexp.MustCompile(re).FindAllStringSubmatch(text, -1)
		require.NotEmpty(t, found, "docs/TESTING.md has nothing like %s: is the expression still right?", re)
		for _, m := range found {
			check(m)
		}
	}
	tests := allTests(t)
	each(`-run '?(\w+)(\$?)'? \./(\w+)`, func(m []string) {
		re := regexp.MustCompile(m[1] + m[2])
		matches := false
		for name := range tests[m[3]] {
			matches = matches || re.MatchString(name)
		}
		require.True(t, matches, "%s: no test of %s", m[0], m[3])
	})
	each(`EVD_EXPLORE_REPLAY='(\w+)@\S+ .* \./(\w+)`, func(m []string) {
		require.True(t, tests[m[2]][m[1]], "%s: no test of %s", m[1], m[2])
	})
	mutant := func(m []string) {
		_, engine := mutantsOf(t, "engine")[m[1]]
		_, ring := mutantsOf(t, "ring")[m[1]]
		_, mock := mutantsOf(t, "hwcq/mock")[m[1]]
		require.True(t, engine || ring || mock, "%s: no such mutant", m[0])
	}
	each(`internal/mutants -run '\^(\w+)\$'`, mutant)
	each(`[Mm]utants? ([A-Za-z]+\d\w*)`, mutant)
	cases := read(t, "model", "cases.txt")
	each(`model/run\.sh ([^\s\x60]+)`, func(m []string) {
		require.True(t, regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(m[1])+` \|`).MatchString(cases), "%s: no such case", m[0])
	})
	targets := read(t, "Makefile")
	each("`make ([a-z0-9.-]+)`", func(m []string) {
		require.True(t, regexp.MustCompile(`(?m)^`+regexp.QuoteMeta(m[1])+`:`).MatchString(targets), "%s: no such target", m[0])
	})
}
