package engine

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// A poller that spins does not hold up the garbage collector.
func TestSpinBesideCollector(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	_, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Mode: ModeSpin})
	require.NoError(t, err)
	for ctx, n := limit(t), 0; n < 500 && ctx.Err() == nil; n++ {
		runtime.GC()
	}
}
