package ranks

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func env(m map[string]string) func(string) string { return func(k string) string { return m[k] } }

// with returns m with more in it.
func with(m map[string]string, more ...string) map[string]string {
	all := map[string]string{}
	for k, v := range m {
		all[k] = v
	}
	for i := 0; i < len(more); i += 2 {
		all[more[i]] = more[i+1]
	}
	return all
}

// As Open MPI 4.1.4 and Slurm 22.05 set them.
var (
	ompi = map[string]string{
		"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "4", "OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "2",
		"OMPI_MCA_orte_hnp_uri":                 "884408320.0;tcp://192.0.2.2,10.0.0.1:49699;tcp6://[fd00::2]:41723",
		"OMPI_MCA_orte_local_daemon_uri":        "884408320.1;tcp://192.0.2.3:1234",
		"OMPI_MCA_orte_precondition_transports": "3b80fa6a04c81530-9ba881b8794fb98d", "OMPI_MCA_ess_base_jobid": "884408321",
	}
	slurm = map[string]string{
		"SLURM_PROCID": "3", "SLURM_NTASKS": "8", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "1", "SLURM_NODEID": "1",
		"SLURM_JOB_ID": "17", "SLURM_STEP_ID": "0", "SLURM_STEP_NODELIST": "node[07-08]", "SLURM_STEP_NUM_NODES": "2",
		"SLURM_JOB_NODELIST": "node[01-08]", "SLURM_LAUNCH_NODE_IPADDR": "10.0.0.9",
	}
)

func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	job := jobOf("ompi", "3b80fa6a04c81530-9ba881b8794fb98d", "884408321", "")
	sjob := jobOf("slurm", "17", "0", "")
	for name, x := range map[string]struct {
		env  map[string]string
		want Place
	}{
		"Open MPI": {ompi, Place{Launcher: "Open MPI", Rank: 2, Size: 4, Local: 1, job: job, meet: portMeeting{
			hosts: []string{"192.0.2.2", "10.0.0.1", "fd00::2"}, ports: ports(job),
		}}},
		"Open MPI on one host": {
			with(ompi, "OMPI_COMM_WORLD_LOCAL_SIZE", "4", "OMPI_MCA_orte_jobfam_session_dir", dir),
			Place{Launcher: "Open MPI", Rank: 2, Size: 4, Local: 1, job: job, meet: fileMeeting{filepath.Join(dir, "evdbench-"+job)}},
		},
		"Open MPI with its folder gone": {
			with(ompi, "OMPI_COMM_WORLD_LOCAL_SIZE", "4", "OMPI_MCA_orte_jobfam_session_dir", filepath.Join(dir, "no")),
			Place{Launcher: "Open MPI", Rank: 2, Size: 4, Local: 1, job: job, meet: fileMeeting{filepath.Join(os.TempDir(), "evdbench-"+job)}},
		},
		"Open MPI in an allocation of Slurm": {
			with(slurm, "OMPI_COMM_WORLD_RANK", "0", "OMPI_COMM_WORLD_SIZE", "2"),
			Place{Launcher: "Open MPI", Rank: 0, Size: 2, job: jobOf("ompi", "", "", "")},
		},
		"PMI": {
			map[string]string{"PMI_RANK": "1", "PMI_SIZE": "3", "PMI_FD": "6", "MPI_LOCALRANKID": "1"},
			Place{Launcher: "PMI", Rank: 1, Size: 3, Local: 1, meet: &pmiMeeting{fd: 6}},
		},
		"Slurm": {slurm, Place{Launcher: "Slurm", Rank: 3, Size: 4, Local: 1, job: sjob, meet: portMeeting{
			hosts: []string{"node07", "10.0.0.9"}, ports: ports(sjob),
		}}},
		"Slurm on one host": {
			with(slurm, "SLURM_STEP_NUM_NODES", "1"),
			Place{Launcher: "Slurm", Rank: 3, Size: 4, Local: 1, job: sjob, meet: portMeeting{hosts: []string{"127.0.0.1"}, ports: ports(sjob)}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Environment(env(x.env))
			require.NoError(t, err)
			require.Equal(t, x.want, p)
		})
	}
}

func TestEnvironmentRefused(t *testing.T) {
	for name, x := range map[string]struct {
		env  map[string]string
		says string
	}{
		"none":             {nil, "no launcher"},
		"batch script":     {with(slurm, "SLURM_STEP_ID", ""), "no launcher"},
		"interactive step": {with(slurm, "SLURM_STEP_ID", "4294967290"), "no launcher"},
		"PMIx alone":       {map[string]string{"PMIX_RANK": "0"}, "PMIX_RANK is there, and nothing that says how many"},
		"no size":          {map[string]string{"OMPI_COMM_WORLD_RANK": "0"}, "OMPI_COMM_WORLD_SIZE is missing"},
		"no number":        {with(ompi, "OMPI_COMM_WORLD_RANK", "x"), `OMPI_COMM_WORLD_RANK = "x": must be a whole number, 0 or more`},
		"no ranks":         {with(ompi, "OMPI_COMM_WORLD_SIZE", "0"), `OMPI_COMM_WORLD_SIZE = "0": must be a whole number, 1 or more`},
		"beyond":           {with(ompi, "OMPI_COMM_WORLD_RANK", "4"), "OMPI_COMM_WORLD_RANK = 4: must be less than OMPI_COMM_WORLD_SIZE, 4"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Environment(env(x.env))
			require.ErrorContains(t, err, x.says)
		})
	}
}

// Rank 0 must be where the others look, unless they are told where.
func TestRankZeroElsewhere(t *testing.T) {
	for name, m := range map[string]map[string]string{
		"Open MPI": with(ompi, "OMPI_COMM_WORLD_RANK", "0"),
		"Slurm":    with(slurm, "SLURM_PROCID", "0"),
		"no uri":   {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := Environment(env(m))
			require.NoError(t, err)
			_, err = Join(t.Context(), p, Config{Bench: tcp()})
			require.ErrorContains(t, err, "give --rendezvous HOST:PORT or --rendezvous-file")
			at, err := p.meeting(Config{Rendezvous: "h:7"})
			require.NoError(t, err)
			assert.Equal(t, portMeeting{hosts: []string{"h"}, ports: []int{7}}, at)
			at, err = p.meeting(Config{RendezvousFile: "f"})
			require.NoError(t, err)
			assert.Equal(t, fileMeeting{"f"}, at)
		})
	}
}

func TestFirstHost(t *testing.T) {
	for list, want := range map[string]string{
		"a": "a", "a,b": "a", "n[01-03,07],login": "n01", "n[7,9]": "n7", "r[1-2]n[05-06]": "r1n05", "n[01": "n[01", "": "",
	} {
		assert.Equal(t, want, firstHost(list), list)
	}
}

func TestURIHosts(t *testing.T) {
	assert.Equal(t, []string{"192.0.2.2", "fd00::2"}, uriHosts("1.0;tcp://192.0.2.2:1;tcp6://[fd00::2]:2"))
	assert.Equal(t, []string{"a", "b", "fd00::2", "fd00::3"}, uriHosts("1.0;tcp://a,b:1;tcp6://[fd00::2,fd00::3]:2"))
	assert.Empty(t, uriHosts("nonsense;http://;"))
}

func TestPorts(t *testing.T) {
	seen := map[int]bool{}
	for _, job := range []string{"", "a", "b", jobOf("slurm", "1", "0")} {
		all := ports(job)
		require.Equal(t, all, ports(job))
		for _, p := range all {
			require.GreaterOrEqual(t, p, 20000)
			require.Less(t, p, 32000)
			seen[p] = true
		}
	}
	assert.Len(t, seen, 16, "each job has its own, and other ones to try")
}

func FuzzFirstHost(f *testing.F) {
	f.Add("n[01-03,07],login")
	f.Add("]][[,")
	f.Fuzz(func(_ *testing.T, s string) { firstHost(s); uriHosts(s) })
}

func TestPatterns(t *testing.T) {
	for pattern, want := range map[string][]flow{
		Pairs:    {{0, 1}, {2, 3}},
		Ring:     {{0, 1}, {1, 2}, {2, 3}, {3, 0}},
		Incast:   {{1, 0}, {2, 0}, {3, 0}},
		AllToAll: {{0, 1}, {0, 2}, {0, 3}, {1, 0}, {1, 2}, {1, 3}, {2, 0}, {2, 1}, {2, 3}, {3, 0}, {3, 1}, {3, 2}},
	} {
		assert.Equal(t, want, flows(pattern, 4), pattern)
	}
	assert.Equal(t, []string{"server", "client", "both", "both"},
		[]string{role(flows(Incast, 3), 0), role(flows(Incast, 3), 1), role(flows(Ring, 3), 2), role(flows(AllToAll, 2), 0)})
}
