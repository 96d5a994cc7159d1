package ranks

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ErrNoLauncher: this process was not started by a launcher that is known.
var ErrNoLauncher = errors.New("ranks: no launcher has started this process")

// Place is this process among all.
type Place struct {
	Launcher string // by name
	Rank     int    // 0..Size-1
	Size     int    // of all
	Local    int    // among those of this host

	job   string // what all ranks of this job know, and others do not; "": whoever finds rank 0 is one
	meet  meeting
	wrong error // why meet cannot be: this rank is not where the others look for it
}

// Environment finds this process's place. getenv is os.Getenv but in tests. The error
// is ErrNoLauncher, or about variables that make no sense.
func Environment(getenv func(string) string) (Place, error) {
	e := environ{get: getenv}
	switch {
	case getenv("OMPI_COMM_WORLD_RANK") != "":
		return e.openMPI()
	case getenv("PMI_RANK") != "" && getenv("PMI_FD") != "":
		return e.pmi()
	case getenv("SLURM_PROCID") != "" && e.step():
		return e.slurm()
	case getenv("PMIX_RANK") != "":
		return Place{}, fmt.Errorf("%w: PMIX_RANK is there, and nothing that says how many ranks there are", ErrNoLauncher)
	}
	return Place{}, ErrNoLauncher
}

// environ reads numbers, and keeps the first error.
type environ struct {
	get func(string) string
	err error
}

// number reads the first of the variables that is there.
func (e *environ) number(least int, names ...string) int {
	for _, name := range names {
		s := e.get(name)
		if s == "" {
			continue
		}
		n, err := strconv.Atoi(s)
		if (err != nil || n < least || n > math.MaxInt32) && e.err == nil {
			e.err = fmt.Errorf("ranks: %s = %q: must be a whole number, %d or more", name, s, least)
		}
		return n
	}
	if e.err == nil {
		e.err = fmt.Errorf("ranks: %s is missing", strings.Join(names, " or "))
	}
	return 0
}

func (e *environ) place(launcher, rank string, local []string, size ...string) Place {
	p := Place{Launcher: launcher, Rank: e.number(0, rank), Size: e.number(1, size...)}
	for _, name := range local {
		if e.get(name) != "" {
			p.Local = e.number(0, name)
			break
		}
	}
	if e.err == nil && p.Rank >= p.Size {
		e.err = fmt.Errorf("ranks: %s = %d: must be less than %s, %d", rank, p.Rank, size[0], p.Size)
	}
	return p
}

func jobOf(parts ...string) string {
	h := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return hex.EncodeToString(h[:12])
}

func (e *environ) openMPI() (Place, error) {
	p := e.place("Open MPI", "OMPI_COMM_WORLD_RANK", []string{"OMPI_COMM_WORLD_LOCAL_RANK"}, "OMPI_COMM_WORLD_SIZE")
	p.job = jobOf("ompi", e.get("OMPI_MCA_orte_precondition_transports"), e.get("OMPI_MCA_ess_base_jobid"), e.get("PMIX_NAMESPACE"))
	hnp := e.get("OMPI_MCA_orte_hnp_uri")
	switch {
	case e.get("OMPI_COMM_WORLD_LOCAL_SIZE") == e.get("OMPI_COMM_WORLD_SIZE"):
		p.meet = fileMeeting{path: filepath.Join(e.folder("OMPI_MCA_orte_jobfam_session_dir", "PMIX_SERVER_TMPDIR"), "evdbench-"+p.job)}
	case hnp != "":
		p.meet = portMeeting{hosts: uriHosts(hnp), ports: ports(p.job)}
		if p.Rank == 0 && e.get("OMPI_MCA_orte_local_daemon_uri") != hnp {
			p.wrong = errors.New("ranks: rank 0 is not on the host of mpirun, where the others look for it")
		}
	}
	return p, e.err
}

// folder is the first of the variables that names one, or that of temporary files.
func (e *environ) folder(names ...string) string {
	for _, name := range names {
		if dir := e.get(name); dir != "" {
			if st, err := os.Stat(dir); err == nil && st.IsDir() {
				return dir
			}
		}
	}
	return os.TempDir()
}

// uriHosts takes the addresses out of "job.0;tcp://a,b:port;tcp6://[c,d]:port".
func uriHosts(uri string) (hosts []string) {
	for _, part := range strings.Split(uri, ";") {
		_, rest, ok := strings.Cut(part, "://")
		i := strings.LastIndexByte(rest, ':')
		if !ok || i < 0 {
			continue
		}
		for _, h := range strings.Split(strings.Trim(rest[:i], "[]"), ",") {
			if h = strings.Trim(h, "[]"); h != "" {
				hosts = append(hosts, h)
			}
		}
	}
	return hosts
}

func (e *environ) pmi() (Place, error) {
	p := e.place("PMI", "PMI_RANK", []string{"MPI_LOCALRANKID", "PMI_LOCAL_RANK", "SLURM_LOCALID"}, "PMI_SIZE")
	fd := e.number(0, "PMI_FD")
	p.meet = &pmiMeeting{fd: uintptr(fd)}
	return p, e.err
}

// step tells whether this is a task of srun, and not the batch script or the shell
// of an interactive step, whose number is one of the last.
func (e *environ) step() bool {
	n, err := strconv.ParseUint(e.get("SLURM_STEP_ID"), 10, 32)
	return err == nil && n < 0xfffffff0
}

func (e *environ) slurm() (Place, error) {
	p := e.place("Slurm", "SLURM_PROCID", []string{"SLURM_LOCALID"}, "SLURM_STEP_NUM_TASKS", "SLURM_NTASKS")
	p.job = jobOf("slurm", e.get("SLURM_JOB_ID"), e.get("SLURM_STEP_ID"), e.get("SLURM_JOB_START_TIME"))
	var hosts []string
	for _, name := range []string{"SLURM_STEP_NODELIST", "SLURM_JOB_NODELIST", "SLURM_NODELIST"} {
		if list := e.get(name); list != "" {
			hosts = append(hosts, firstHost(list))
			break
		}
	}
	if ip := e.get("SLURM_LAUNCH_NODE_IPADDR"); ip != "" {
		hosts = append(hosts, ip)
	}
	if e.get("SLURM_STEP_NUM_NODES") == "1" {
		hosts = []string{"127.0.0.1"}
	}
	p.meet = portMeeting{hosts: hosts, ports: ports(p.job)}
	if id := e.get("SLURM_NODEID"); p.Rank == 0 && id != "" && id != "0" {
		p.wrong = errors.New("ranks: rank 0 is not on the first node of the step, where the others look for it")
	}
	return p, e.err
}

// firstHost is the first name of a list such as "n[01-03,7],login".
func firstHost(list string) string {
	depth := 0
	for i, r := range list { // the first comma outside brackets ends the first part
		switch r {
		case '[':
			depth++
		case ']':
			depth--
		case ',':
			if depth == 0 {
				return firstHost(list[:i])
			}
		}
	}
	for {
		open := strings.IndexByte(list, '[')
		if open < 0 {
			return list
		}
		end := strings.IndexByte(list[open:], ']')
		if end < 0 {
			return list
		}
		first := list[open+1 : open+end]
		if i := strings.IndexAny(first, ",-"); i >= 0 {
			first = first[:i]
		}
		list = list[:open] + first + list[open+end+1:]
	}
}
