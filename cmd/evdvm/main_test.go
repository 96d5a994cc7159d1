//go:build linux

package main

import (
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestStatus checks exit status and messages of what needs no guest. With
// -no-rxe and -native always a job runs on the host.
func TestStatus(t *testing.T) {
	t.Setenv("EVD_CACHE", t.TempDir())
	t.Setenv("PASSED_ON", "from outside")
	native := []string{"run", "-native", "always", "-no-rxe"}
	for _, c := range []struct {
		name     string
		args     []string
		code     int
		out, err string // substrings
	}{
		{"nothing", nil, exitUsage, "", "usage: evdvm"},
		{"help", []string{"help"}, 0, "usage: evdvm", ""},
		{"flag help", []string{"run", "-h"}, 0, "", "-icount"},
		{"unknown command", []string{"walk"}, exitUsage, "", `unknown command "walk"`},
		{"unknown flag", []string{"run", "-fast"}, exitUsage, "", "-fast"},
		{"no job", []string{"run"}, exitUsage, "", "Args = []"},
		{"bad kernel", []string{"run", "-kernel", "newest", "--", "true"}, exitUsage, "", "Kernel = newest"},
		{"bad values together", []string{"run", "-memory", "1", "-cpus", "99", "true"}, exitUsage, "", "CPUs = 99"},
		{"bad env", []string{"run", "-env", "1=2", "true"}, exitUsage, "", "Env = 1=2"},
		{"fetch of nothing", []string{"fetch", "-kernel", "x"}, exitUsage, "", "Kernel = x"},
		{"fetch with an argument", []string{"fetch", "6.1"}, exitUsage, "", `unexpected argument "6.1"`},
		{"doctor with an argument", []string{"doctor", "6.1"}, exitUsage, "", `unexpected argument "6.1"`},
		{"pair of one", []string{"pair", "--", "true"}, exitUsage, "", "pair = true: must be JOB1 -- JOB2"},
		{"pair of nothing", []string{"pair", "true", "--"}, exitUsage, "", "Args = []"},
		{"pair of a bad kernel", []string{"pair", "-kernel", "x", "true", "--", "true"}, exitUsage, "", "Kernel = x"},
		{"pair by instructions", []string{"pair", "-icount", "true", "--", "true"}, exitUsage, "", "-icount"},
		{"veth on the host", []string{"run", "-native", "always", "-veth", "true"}, exitUsage, "", "Veth = true"},
		{"doctor of nonsense", []string{"doctor", "-kernel", "x"}, exitFailed, "MISSING", ""},
		{"job's output", append(native, "--", "sh", "-c", "echo out; echo err >&2"), 0, "out\n", "err\n"},
		{"job's status", append(native, "--", "sh", "-c", "exit 42"), 42, "", ""},
		{"environment", append(native, "-env", "A=b", "-env", "PASSED_ON", "-env", "NOT_SET", "--", "sh", "-c", "echo $A $PASSED_ON"), 0, "b from outside\n", ""},
		{"time limit", append(native, "-timeout", "1ms", "--", "sleep", "1000"), exitTimeout, "", "time limit"},
		{"no such program", append(native, "--", "./no-such-program"), exitFailed, "", "no-such-program"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out, err strings.Builder
			require.Equal(t, c.code, run(t.Context(), c.args, &out, &err), err.String())
			require.Contains(t, out.String(), c.out)
			require.Contains(t, err.String(), c.err)
		})
	}
}

func TestSplitList(t *testing.T) {
	require.Equal(t, []string{"a", "b", "c"}, splitList("a,b ,c,"))
	require.Empty(t, splitList(""))
}

func TestPrefixer(t *testing.T) {
	var b strings.Builder
	p := &prefixer{mu: new(sync.Mutex), w: &b, prefix: "1| "}
	for _, s := range []string{"a", "b\nc\n\nd", "e"} {
		n, err := p.Write([]byte(s))
		require.NoError(t, err)
		require.Equal(t, len(s), n)
	}
	p.flush()
	p.flush()
	require.Equal(t, "1| ab\n1| c\n1| \n1| de\n", b.String())
}
