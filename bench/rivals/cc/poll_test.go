package cc

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Our own poll is sampled from the test binary of the package.
func TestPoll(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "rxe.test")
	out, err := exec.Command("go", "test", "-c", "-o", binary, "github.com/evdengine/evd/hwcq/rxe").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, b := range []string{PollEmpty, PollNothing} {
		s, err := Poll(binary, b, 0.1, patience)
		require.NoError(t, err)
		require.True(t, s.OK)
		require.Positive(t, s.NS)
		require.Positive(t, s.N)
	}
	_, err = Poll(binary, "BenchmarkThatIsNotThere", 0.1, patience)
	require.ErrorContains(t, err, "no result")
	_, err = Poll(filepath.Join(t.TempDir(), "none"), PollEmpty, 0.1, patience)
	require.ErrorContains(t, err, "none")
}

func TestBenchLine(t *testing.T) {
	for out, want := range map[string]Sample{
		"goos: linux\nBenchmarkX-2   \t  907416\t         1.706 ns/op\t         3.000 nivcsw\t       0 B/op\nPASS\n": {NS: 1.706, OK: true, NIvCSw: 3, N: 907416},
		"BenchmarkX 1 2 ns/op": {NS: 2, OK: true, N: 1},
	} {
		s, err := benchLine([]byte(out), "BenchmarkX")
		require.NoError(t, err)
		require.Equal(t, want, s)
	}
	for _, out := range []string{
		"", "PASS\n", "BenchmarkX\n", "BenchmarkX 1 2 B/op", "BenchmarkX x 2 ns/op", "BenchmarkX 1 x ns/op", "BenchmarkY 1 2 ns/op",
	} {
		_, err := benchLine([]byte(out), "BenchmarkX")
		require.ErrorContains(t, err, "BenchmarkX", out)
	}
}
