package vm

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

var searchLines = []string{
	"linux-image-6.1.0-9-amd64 - Linux 6.1 for 64-bit PCs (signed)",
	"linux-image-6.1.0-56-amd64 - Linux 6.1 for 64-bit PCs (signed)",
	"linux-image-6.1.0-57-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)",
	"linux-image-6.1.0-58-rt-amd64 - Linux 6.1 for 64-bit PCs, PREEMPT_RT (signed)",
	"linux-image-6.1.0-59-amd64-dbg - Debug symbols",
	"linux-image-6.1.0-60-amd64-unsigned - Linux 6.1",
	"linux-image-6.12.9+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)",
	"linux-image-6.12.117+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)",
	"linux-image-6.12.101+deb12-amd64 - Linux 6.12 for 64-bit PCs (signed)",
	"linux-image-6.12.200+deb12-cloud-amd64 - Linux 6.12 for x86-64 cloud (signed)",
	"linux-image-6.12.12+bpo-amd64 - another naming, not known to work",
	"linux-image-amd64 - meta package",
	"",
}

func TestNewestRelease(t *testing.T) {
	for _, c := range []struct{ want, got string }{
		{"6.12", "6.12.117+deb12-amd64"},
		{"6.1", "6.1.0-56-amd64"}, // not 6.12: a series ends at a dot
		{"6.12.9+deb12-amd64", "6.12.9+deb12-amd64"},
		{"6.13", ""},
		{"6", ""},
		{"6.12.118+deb12-amd64", ""},
	} {
		require.Equal(t, c.got, newestRelease(searchLines, c.want), "want %s", c.want)
	}
}

func TestReleaseOrder(t *testing.T) {
	ordered := []string{
		"6.1.0-9-amd64", "6.1.0-50-amd64", "6.12.9+deb12-amd64", "6.12.117+deb12-amd64",
		"6.12.117+deb12+1-amd64", "6.12.117+deb12u1-amd64", "6.12.117+deb13-amd64",
	}
	for i, a := range ordered {
		for k, b := range ordered {
			got := releaseLess(a, b)
			switch {
			case i == k:
				require.Zero(t, got)
			case i < k && a[:6] != "6.12.1": // among odd suffixes only antisymmetry matters
				require.Negative(t, got, "%s %s", a, b)
			}
			require.Equal(t, -got, releaseLess(b, a))
		}
	}
}

func TestSearchPattern(t *testing.T) {
	re := regexp.MustCompile(searchPattern("6.1"))
	require.True(t, re.MatchString("linux-image-6.1.0-56-amd64"))
	require.False(t, re.MatchString("linux-image-6.12.1+deb12-amd64"))
	re = regexp.MustCompile(searchPattern("6.12.9+deb12-amd64"))
	require.True(t, re.MatchString("linux-image-6.12.9+deb12-amd64"))
	require.False(t, re.MatchString("linux-image-6.12.9+deb12-amd64-dbg"))
}

func TestCachedReleaseIgnoresDamage(t *testing.T) {
	cache := t.TempDir()
	put := func(release, json string, vmlinuz bool) {
		dir := imageDir(cache, release)
		require.NoError(t, os.Mkdir(dir, 0o755))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "image.json"), []byte(json), 0o644))
		if vmlinuz {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "vmlinuz"), nil, 0o644))
		}
	}
	put("6.12.9+deb12-amd64", `{"Release":"6.12.9+deb12-amd64"}`, true)
	put("6.12.10+deb12-amd64", `{`, true)
	put("6.12.11+deb12-amd64", `{}`, false)
	put("6.1.0-56-amd64", `{}`, true)
	require.NoError(t, os.Mkdir(filepath.Join(cache, "kernel-6.12.99+deb12-amd64-f999"), 0o755))
	require.Equal(t, "6.12.9+deb12-amd64", cachedRelease(cache, "6.12"))
	require.Equal(t, "6.1.0-56-amd64", cachedRelease(cache, "6.1"))
	require.Empty(t, cachedRelease(cache, "5.10"))
}
