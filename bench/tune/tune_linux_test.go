package tune

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/internal/threads"
)

func TestDMALatency(t *testing.T) {
	was := dmaFile
	defer func() { dmaFile = was }()
	dmaFile = filepath.Join(t.TempDir(), "latency")
	require.NoError(t, os.WriteFile(dmaFile, nil, 0o600))
	restore, err := Settings{LimitDMA: true, DMALatency: 20 * time.Microsecond}.Apply()
	require.NoError(t, err)
	b, err := os.ReadFile(dmaFile)
	require.NoError(t, err)
	assert.Len(t, b, 4)
	assert.ElementsMatch(t, []byte{20, 0, 0, 0}, b)
	restore()

	// What was done before is undone.
	defer debug.SetGCPercent(debug.SetGCPercent(70))
	dmaFile += ".none"
	_, err = Settings{GC: GC{Off: true}, LimitDMA: true}.Apply()
	require.ErrorIs(t, err, ErrRefused)
	assert.ErrorContains(t, err, "cpu-dma-latency: not permitted here: ")
	assert.ErrorContains(t, err, "CONFIG_CPU_IDLE")
	percent, _ := collector()
	assert.EqualValues(t, 70, percent)
}

// locked is how much memory of this process is locked, in KiB.
func locked(t *testing.T) int {
	b, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	m := regexp.MustCompile(`VmLck:\s+(\d+) kB`).FindSubmatch(b)
	require.NotNil(t, m)
	n, err := strconv.Atoi(string(m[1]))
	require.NoError(t, err)
	return n
}

func TestLockMemory(t *testing.T) {
	before := locked(t)
	restore, err := Settings{Memory: true}.Apply()
	if err != nil {
		require.ErrorIs(t, err, ErrRefused)
		assert.ErrorContains(t, err, "ulimit -l unlimited")
		assert.Equal(t, before, locked(t))
		return
	}
	assert.Greater(t, locked(t), before)
	restore()
	assert.Equal(t, before, locked(t))
}

// scheduled are the policies and priorities of all threads.
func scheduled(t *testing.T) map[[2]uint32]int {
	all := map[[2]uint32]int{}
	require.NoError(t, threads.Each(func(tid int) error {
		a, err := unix.SchedGetAttr(tid, 0)
		if err == nil {
			all[[2]uint32{a.Policy, a.Priority}]++
		}
		return err
	}))
	return all
}

func TestPrio(t *testing.T) {
	before := scheduled(t)
	restore, err := Settings{Prio: Prio{"rr", 1}}.Apply()
	if err != nil {
		require.ErrorIs(t, err, ErrRefused)
		assert.ErrorContains(t, err, "prio = rr:1: not permitted here: ")
		assert.ErrorContains(t, err, "ulimit -r")
	} else {
		made := make(chan struct{}) // a thread of the time between
		go func() {
			runtime.LockOSThread()
			close(made)
		}()
		<-made
		for p := range scheduled(t) {
			assert.Equal(t, [2]uint32{unix.SCHED_RR, 1}, p)
		}
		restore()
	}
	after := scheduled(t)
	for p := range after {
		assert.Contains(t, before, p)
	}
}
