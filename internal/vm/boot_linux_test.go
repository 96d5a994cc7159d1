package vm

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The end of the cable outlives a boot that failed: with another accelerator the
// guest may come up.
func TestWireOutlivesBoot(t *testing.T) {
	programs, img := t.TempDir(), image{Release: "6.12.1", Dir: t.TempDir(), Deps: map[string][]string{}, BuiltIn: map[string]bool{}}
	for _, m := range []string{"virtio_net", "sch_netem"} {
		img.BuiltIn[m] = true
	}
	for name, script := range map[string]string{
		"busybox":   "#!/bin/sh\n",
		qemuProgram: "#!/bin/sh\n[ -e /dev/fd/7 ] && echo has the cable >&2\nexit 1\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(programs, name), []byte(script), 0o755))
	}
	t.Setenv("PATH", programs+":"+os.Getenv("PATH"))
	wires, err := newWire()
	require.NoError(t, err)
	defer wires[0].Close()
	defer wires[1].Close()
	c := Config{BootTimeout: time.Minute}.WithDefaults()
	c.node, c.wire = 1, wires[0]
	j, err := Job{Args: []string{"true"}, Dir: t.TempDir()}.resolve()
	require.NoError(t, err)
	for range 2 {
		_, err = boot(t.Context(), c, j, img, AccelTCG, t.TempDir())
		require.ErrorIs(t, err, ErrBoot)
		require.ErrorContains(t, err, "has the cable")
	}
}
