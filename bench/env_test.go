package bench

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestGCSettings(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(70))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(1 << 40))
	percent, limit := gcSettings()
	assert.Equal(t, 70, percent)
	assert.EqualValues(t, 1<<40, limit)
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(math.MaxInt64)
	percent, limit = gcSettings()
	assert.Equal(t, -1, percent)
	assert.Zero(t, limit)
}

func TestEnvironmentOfThisHost(t *testing.T) {
	clk := MonotonicClock()
	e := Environment(clk)
	assert.Equal(t, e.Host, Environment(clk).Host, "the same host")
	assert.NotEmpty(t, e.Go)
	assert.NotEmpty(t, e.Version)
	assert.Positive(t, e.CPUs)
}

func BenchmarkEnvironment(b *testing.B) {
	clk := MonotonicClock()
	for b.Loop() {
		Environment(clk)
	}
}
