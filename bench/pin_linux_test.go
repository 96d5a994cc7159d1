package bench

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/internal/threads"
)

// aCPU is one that this process may run on.
func aCPU(t *testing.T) int {
	t.Helper()
	var set unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &set))
	for n := range 8192 {
		if set.IsSet(n) {
			return n
		}
	}
	t.Fatal("this process may run nowhere")
	return 0
}

func TestPinThread(t *testing.T) {
	cpu := aCPU(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var before, pinned, after unix.CPUSet
		assert.NoError(t, unix.SchedGetaffinity(0, &before))
		restore, err := pinThread(cpu)
		if !assert.NoError(t, err) {
			return
		}
		assert.NoError(t, unix.SchedGetaffinity(0, &pinned))
		assert.Equal(t, 1, pinned.Count())
		assert.True(t, pinned.IsSet(cpu))
		restore()
		assert.NoError(t, unix.SchedGetaffinity(0, &after))
		assert.Equal(t, before, after)
		_, err = pinThread(8000)
		assert.ErrorIs(t, err, errNoCPU)
	}()
	<-done
}

func TestJitterOfCPUs(t *testing.T) {
	cpu := aCPU(t)
	r, err := MeasureJitter(t.Context(), JitterConfig{Duration: time.Millisecond, NoSleep: true, CPUs: []int{cpu}})
	require.NoError(t, err)
	require.Len(t, r.Jitter.Parts, 1)
	assert.Regexp(t, `^cpu\d+$`, r.Jitter.Parts[0].Name)
	assert.Zero(t, r.Jitter.Sleep)
	assert.Equal(t, r.Histograms["jitter"].Count(), r.Histograms["jitter/"+r.Jitter.Parts[0].Name].Count())

	_, err = MeasureJitter(t.Context(), JitterConfig{CPUs: []int{8000}})
	require.ErrorIs(t, err, engine.ErrInvalid)
	assert.ErrorContains(t, err, "cpus = 8000")
}

// affinities are the CPUs of each thread.
func affinities(t *testing.T) map[unix.CPUSet]bool {
	t.Helper()
	all := map[unix.CPUSet]bool{}
	require.NoError(t, threads.Each(func(tid int) error {
		var set unix.CPUSet
		err := unix.SchedGetaffinity(tid, &set)
		all[set] = true
		return err
	}))
	return all
}

func TestPinnedRun(t *testing.T) {
	before := affinities(t)
	cpu := strconv.Itoa(aCPU(t))
	pin := "poller=" + cpu + ",producer=" + cpu + ",other=" + cpu
	r, err := Run(t.Context(), Config{Workload: BW, Posters: 2, Count: 3000, Pin: pin})
	require.NoError(t, err)
	assert.True(t, r.OK(), r.Conservation.Violations)
	assert.Empty(t, r.Warnings)
	assert.Equal(t, pin, r.Config.Pin)
	r, err = Run(t.Context(), Config{OneWay: true, Count: 300, Pin: "producer=" + cpu})
	require.NoError(t, err)
	assert.True(t, r.OK(), r.Conservation.Violations)
	r, err = Run(t.Context(), Config{Count: 300, Pin: "producer=" + cpu})
	require.NoError(t, err)
	assert.Contains(t, strings.Join(r.Warnings, "\n"), "no producer was pinned")
	for set := range affinities(t) {
		assert.Contains(t, before, set, "all threads have their CPUs back")
	}
}

// The goroutine of a producer runs where it was told to.
func TestPinnedProducer(t *testing.T) {
	cpu := aCPU(t)
	s := &session{pins: pins{Pin: Pin{Producer: []int{cpu}}}}
	done := make(chan unix.CPUSet)
	go s.pinned(func() {
		var set unix.CPUSet
		assert.NoError(t, unix.SchedGetaffinity(0, &set))
		done <- set
	})()
	set := <-done
	assert.Equal(t, 1, set.Count())
	assert.True(t, set.IsSet(cpu))
}

// Who dequeues makes no requests, and takes no producer's CPU.
func TestDequeuerIsNoProducer(t *testing.T) {
	pin := "producer=" + strconv.Itoa(aCPU(t))
	r, err := Run(t.Context(), Config{Workload: BW, Policy: PolicyNotify, Count: 300, Pin: pin})
	require.NoError(t, err)
	assert.True(t, r.OK(), r.Conservation.Violations)
	assert.Contains(t, strings.Join(r.Warnings, "\n"), "no producer was pinned")
	for _, c := range []Config{{Rate: 10e3, MaxLag: patient}, {Workload: WakeUp, Mode: "event"}} {
		c.Pin, c.Count = pin, 50
		r, err = Run(t.Context(), c)
		require.NoError(t, err)
		assert.True(t, r.OK(), r.Conservation.Violations)
		assert.NotContains(t, strings.Join(r.Warnings, "\n"), "no producer was pinned")
	}
}
