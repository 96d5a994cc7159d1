//go:build launcher

package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
	"github.com/evdengine/evd/bench/result"
)

// Four ranks on one machine under a real launcher: `make nodes-test`, which says in
// EVD_EVDBENCH where the command is.

const launchTime = 2 * time.Minute

// launch runs a launcher to its end.
func launch(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), launchTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s\n%s\n%s", strings.Join(args, " "), out.String(), errs.String())
		}
	})
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

func launched(t *testing.T) string {
	t.Helper()
	path := os.Getenv("EVD_EVDBENCH")
	require.NotEmpty(t, path, "make nodes-test")
	return path
}

// mpirun is the beginning of its command line for n ranks of this machine, whatever it
// has of processors.
func mpirun(n int) []string {
	return []string{"mpirun", "--allow-run-as-root", "--oversubscribe", "-n", strconv.Itoa(n)}
}

// nodesRun is a short run. In mode event: four that spin would take the processors.
func nodesRun(t *testing.T, args ...string) []string {
	return append([]string{launched(t), "nodes", "--mode", "event", "--ack-timeout", "10s", "--stall", "60s", "--wait", "60s", "-q"}, args...)
}

func measuredNodes(t *testing.T, stdout string) *result.File {
	t.Helper()
	f, err := result.Read(strings.NewReader(stdout))
	require.NoError(t, err, "and nothing but rank 0's result is there")
	return f
}

func TestLauncherPatterns(t *testing.T) {
	for _, x := range []struct {
		workload, pattern string
		flows             uint64
	}{
		{"lat", "pairs", 2}, {"lat", "incast", 3}, {"lat", "all-to-all", 12}, {"bw", "pairs", 2}, {"bw", "incast", 3}, {"bw", "all-to-all", 12}, {"bw", "ring", 4},
	} {
		t.Run(x.workload+" "+x.pattern, func(t *testing.T) {
			args := append(mpirun(4), nodesRun(t, "--workload", x.workload, "--pattern", x.pattern, "--count", "300", "--warmup", "30", "-o", "json")...)
			out, errs, status := launch(t, args...)
			require.Zero(t, status, errs)
			f := measuredNodes(t, out)
			require.Len(t, f.Reps, 1)
			require.Len(t, f.Nodes, 4)
			r := f.Reps[0]
			require.True(t, r.OK())
			sent := 330 * x.flows
			if x.workload == "lat" {
				sent *= 2
				require.Equal(t, 300*x.flows, r.Results.Latency.Samples)
			}
			require.Equal(t, bench.Connection{Established: 2 * x.flows, Disconnected: 2 * x.flows, Sent: sent, Received: sent}, *r.Connection)
			whole := bench.NewHist()
			for i, n := range f.Nodes {
				assert.Equal(t, i, n.Rank)
				if n.Histogram != nil {
					whole.Merge(n.Histogram)
				}
			}
			assert.Equal(t, whole.Summary(), *r.Results.Latency, "merged exactly")
		})
	}
}

// For people: a table with a line for each rank, on standard output, once.
func TestLauncherText(t *testing.T) {
	out, errs, status := launch(t, append(mpirun(4), nodesRun(t, "--count", "100")...)...)
	require.Zero(t, status, errs)
	require.Equal(t, 1, strings.Count(out, "measures      pairs among 4 ranks, 2 flows at once; each: round trip"))
	require.Contains(t, out, "over TCP sockets")
	require.Equal(t, 2, strings.Count(out, "  client  "))
	require.Equal(t, 2, strings.Count(out, "  server  "))
	require.Equal(t, 1, strings.Count(out, "fairness"))
}

// A rank that is killed: the others end, and rank 0 reports what they have measured.
// mpirun's own status is that of the rank that died; rank 0's is said by a shell
// around it.
func TestLauncherRankKilled(t *testing.T) {
	dir := t.TempDir()
	sh := `
case $OMPI_COMM_WORLD_RANK in
0) "$@"; echo $? >` + filepath.Join(dir, "status") + `;;
2) "$@" & sleep 1; kill -9 $!; kill -9 $$;;
*) exec "$@";;
esac`
	args := append(mpirun(4), "sh", "-c", sh, "sh")
	out, errs, status := launch(t, append(args, nodesRun(t, "--pattern", "all-to-all", "--duration", "10m", "-o", "json")...)...)
	require.Equal(t, 128+int(syscall.SIGKILL), status, errs)
	f := measuredNodes(t, out)
	require.Len(t, f.Nodes, 4)
	r := f.Reps[0]
	require.Empty(t, r.Conservation.Violations)
	require.Contains(t, r.Connection.Lost, "rank 2 on ")
	require.Contains(t, f.Nodes[2].Lost, "has died")
	require.Contains(t, errs, "the peer was lost: rank 2 on ")
	b, err := os.ReadFile(filepath.Join(dir, "status"))
	require.NoError(t, err)
	require.Equal(t, strconv.Itoa(exitPeerLost), strings.TrimSpace(string(b)))
}

func TestLauncherRefused(t *testing.T) {
	for name, x := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"alone":  {append(mpirun(1), nodesRun(t)...), exitUsage, "start it with several ranks"},
		"odd":    {append(mpirun(3), nodesRun(t)...), exitUsage, "pairs need an even number"},
		"mixed":  {append(append(append(mpirun(1), nodesRun(t)...), ":", "-n", "1"), nodesRun(t, "--size", "65")...), exitUsage, "has size = 65, and rank 0 has 64"},
		"absent": {append(append(mpirun(2), "sh", "-c", `[ $OMPI_COMM_WORLD_RANK = 1 ] && exec sleep 30; exec "$@"`, "sh"), nodesRun(t, "--wait", "1s")...), exitUnavailable, "of 2 ranks, 1 did not come within 1s"},
		"none":   {nodesRun(t), exitUsage, "mpirun -n 4 evdbench nodes"},
	} {
		t.Run(name, func(t *testing.T) {
			out, errs, status := launch(t, x.args...)
			require.Equal(t, x.status, status)
			require.Empty(t, out)
			require.Contains(t, errs, x.says)
		})
	}
}

// By hand, where the environment would not say: a port, and a file.
func TestLauncherRendezvous(t *testing.T) {
	port := []string{"--rendezvous", "127.0.0.1:18517"}
	for _, how := range [][]string{port, {"--rendezvous-file", filepath.Join(t.TempDir(), "here")}} {
		out, errs, status := launch(t, append(mpirun(2), nodesRun(t, append(how, "--count", "50", "-o", "json")...)...)...)
		require.Zero(t, status, errs)
		require.True(t, measuredNodes(t, out).OK())
	}
}
