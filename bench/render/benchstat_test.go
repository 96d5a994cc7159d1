package render

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/result/resulttest"
)

// benchstat runs benchstat itself, of the version in tools/go.mod.
func benchstat(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"tool", "-modfile=../../tools/go.mod", "benchstat"}, args...)...)
	cmd.Env = append(os.Environ(), "GOFLAGS=", "GOWORK=off")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	assert.Empty(t, stderr.String(), "benchstat has nothing to complain about")
	return string(out)
}

// benchstat reads what is written for it, and takes versions of the same run for the
// same benchmark, whatever differs between them.
func TestBenchstatTakesIt(t *testing.T) {
	dir := t.TempDir()
	save := func(name string, f *result.File) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, written(t, "benchfmt", f), 0o644))
		return path
	}
	before, after := resulttest.Lat(), resulttest.Slower()
	after.Settings = before.Settings
	after.Version, after.Start = "v9", after.Start.Add(1)
	out := benchstat(t, save("before", before), save("after", after))
	for _, want := range []string{`sec/op`, `service-p99-sec`, `response-p99-sec`, `op/s`} {
		assert.Contains(t, out, want)
	}
	assert.Regexp(t, regexp.MustCompile(`(?m)^Lat/cq=mock/mode=.*±.*±.*p=.*n=3`), out, "side by side")
	assert.NotContains(t, out, "before\n", "one table has both")

	sweep := benchstat(t, "-col", "/mode", save("sweep", resulttest.Sweep()))
	assert.Regexp(t, `spin.*event`, sweep)
	golden, err := filepath.Glob("testdata/*.benchfmt")
	require.NoError(t, err)
	for _, name := range golden {
		assert.NotEmpty(t, strings.TrimSpace(benchstat(t, name)), name)
	}
}
