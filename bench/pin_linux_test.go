package bench

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/engine"
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
