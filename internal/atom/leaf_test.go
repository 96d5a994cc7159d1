//go:build !explore && !race

package atom_test

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// The poll of soft-RoCE's CQ is cheap because it calls nothing: such a function has no
// frame and does not ask whether there is stack for one. The test is here, because in a
// guest, where that package's run, there is no compiler.
func TestPollNeedsNoStack(t *testing.T) {
	for arch, mark := range map[string]string{"amd64": "nosplit", "arm64": "leaf"} {
		cmd := exec.Command("go", "build", "-gcflags=-S", "-tags=", "./hwcq/rxe")
		cmd.Dir = "../.."
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+arch, "GOFLAGS=", "GOWORK=off", "CGO_ENABLED=0")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		head := regexp.MustCompile(`(?m)^\S*rxe\.\(\*CQ\)\.Poll STEXT.*$`).FindString(string(out))
		require.Regexp(t, `\b`+mark+`\b`, head, arch)
		require.Contains(t, head, "locals=0x0", arch)
	}
}
