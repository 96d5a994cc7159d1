//go:build unix

package ranks

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// manager is a process manager that speaks PMI 1.
type manager struct {
	size int
	mu   sync.Mutex
	in   int
	left int           // ranks that have taken leave
	out  chan struct{} // closed when all are in the barrier
	kvs  map[string]string
}

func newManager(size int) *manager {
	return &manager{size: size, out: make(chan struct{}), kvs: map[string]string{}}
}

// rank is a meeting of one of its ranks, who finds the manager at the other end of a
// socket.
func (m *manager) rank(t *testing.T) *pmiMeeting {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	require.NoError(t, err)
	end := os.NewFile(uintptr(fds[1]), "manager")
	go func() {
		defer end.Close()
		for r := bufio.NewReader(end); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if _, err := fmt.Fprintln(end, m.answer(strings.TrimSpace(line))); err != nil {
				return
			}
		}
	}()
	return &pmiMeeting{fd: uintptr(fds[0]), within: patience}
}

func (m *manager) answer(line string) string {
	w := map[string]string{}
	for _, x := range strings.Fields(line) {
		k, v, _ := strings.Cut(x, "=")
		w[k] = v
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	switch w["cmd"] {
	case "init":
		return "cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0"
	case "get_my_kvsname":
		return "cmd=my_kvsname kvsname=kvs_1_0"
	case "put":
		m.kvs[w["kvsname"]+w["key"]] = w["value"]
		return "cmd=put_result rc=0 msg=success"
	case "get":
		v, ok := m.kvs[w["kvsname"]+w["key"]]
		if !ok {
			return "cmd=get_result rc=-1 msg=key_not_found value=unknown"
		}
		return "cmd=get_result rc=0 msg=success value=" + v
	case "barrier_in":
		if m.in++; m.in == m.size {
			close(m.out)
		}
		m.mu.Unlock()
		<-m.out
		m.mu.Lock()
		return "cmd=barrier_out"
	case "finalize":
		m.left++
		return "cmd=finalize_ack"
	}
	return "cmd=" + w["cmd"] + " rc=-1"
}

func TestPMI(t *testing.T) {
	m := newManager(3)
	outs := make(chan outcome, 3)
	for rank := range 3 {
		p := Place{Rank: rank, Size: 3, meet: m.rank(t)}
		go func() { outs <- oneRank(t.Context(), p, Config{Bench: tcp(), Pattern: Ring, Wait: patience}) }()
	}
	for range 3 {
		o := <-outs
		require.NoError(t, o.err)
		if o.rank == 0 {
			require.True(t, o.report.OK())
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	require.Equal(t, 3, m.left, "all took leave of the manager")
}

func TestPMIFails(t *testing.T) {
	lonely := newManager(2).rank(t)
	require.NoError(t, lonely.open())
	lonely.within = 20 * time.Millisecond
	err := lonely.barrier()
	require.ErrorContains(t, err, "not all ranks have come within 20ms")

	nothing := newManager(1).rank(t)
	_, _, err = nothing.places()
	require.ErrorContains(t, err, "key_not_found")

	fd, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0)
	require.NoError(t, err)
	_, _, err = (&pmiMeeting{fd: uintptr(fd), within: patience}).listen("")
	require.ErrorContains(t, err, "PMI_FD = ")
}
