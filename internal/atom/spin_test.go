//go:build !explore

package atom

import (
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// Spin is a call: see there. (How long a collection waits without it depends on the
// machine's load, so the compiler is asked, not the clock.)
func TestSpinIsACall(t *testing.T) {
	out, err := exec.Command("go", "build", "-gcflags=-m", ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Contains(t, string(out), "can inline PlainWrite", "the compiler tells what it inlines")
	require.NotContains(t, string(out), "can inline Spin\n")
	require.NotContains(t, string(out), "can inline Spin with")
}
