//go:build !explore && !race

// The code under test here is that of normal builds, whatever the tags of the test
// are: once is enough.

package ring

import (
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// compileFast compiles a package that uses the fast paths, in the way users do, and
// returns what the compiler says about inlining, and its listing.
func compileFast(t *testing.T, arch string) string {
	t.Helper()
	cmd := exec.Command("go", "build", "-pgo=off", "-gcflags=-m -S", "./testdata/fast")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return string(out)
}

// TestInline: the compiler puts every call of testdata/fast to package ring into the
// caller, without a profile.
func TestInline(t *testing.T) {
	call := regexp.MustCompile(`\b([rcl])\.((?:In|Out|Try\w+|Slots?|Commit\w*|Advance)\b)`)
	src, err := os.ReadFile("testdata/fast/fast.go")
	require.NoError(t, err)
	out := compileFast(t, "amd64")
	typ := map[string]string{"r": "MPSC", "c": "Chain", "l": "Lane"}
	seen := 0
	for i, line := range strings.Split(string(src), "\n") {
		for _, m := range call.FindAllStringSubmatch(line, -1) {
			want := regexp.MustCompile(`(?m)fast\.go:` + strconv.Itoa(i+1) + `:\d+: inlining call to ring\.\(\*` + typ[m[1]] + `\[[^\n]*\]\)\.` + m[2] + `$`)
			require.True(t, want.MatchString(out), "line %d: %s.%s is not inlined: %s", i+1, m[1], m[2], strings.TrimSpace(line))
			seen++
		}
	}
	require.Greater(t, seen, 25)
	// What is not put into the caller has its atomics and hooks in itself, all the same.
	require.Empty(t, regexp.MustCompile(`\tCALL\t(?:sync/atomic\.\(|github.com/evdengine/evd/internal/atom\.)\S+`).FindAllString(out, -1))
}

// TestLocked counts the locked instructions of a push and pop: the compare-and-swap
// and the exchange that publishes; and in the branch that is taken once for a slack
// full of events, the exchange of the credit.
func TestLocked(t *testing.T) {
	out := compileFast(t, "amd64")
	for _, c := range []struct {
		fn        string
		cas, xchg int
	}{
		{"Ring", 1, 2},
		{"Polled", 1, 1},
		{"Lane", 0, 1},
		{"Release", 0, 0},
	} {
		_, body, ok := strings.Cut(out, "testdata/fast."+c.fn+" STEXT")
		require.True(t, ok, "the listing was not understood")
		body, _, _ = strings.Cut(body, " STEXT")
		require.Greater(t, len(body), 500)
		require.Equal(t, c.cas, strings.Count(body, "\tCMPXCHGQ\t"), "%s: compare-and-swaps", c.fn)
		require.Equal(t, c.xchg, strings.Count(body, "\tXCHGQ\t"), "%s: exchanges", c.fn)
		for _, call := range regexp.MustCompile(`\tCALL\t(\S+)\(`).FindAllStringSubmatch(body, -1) {
			require.Regexp(t, `^runtime\.`, call[1], "%s: a call", c.fn)
		}
	}
}
