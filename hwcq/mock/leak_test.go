package mock

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// running counts the goroutines of QPs and streams.
func running() int {
	buf := make([]byte, 1<<20)
	text := string(buf[:runtime.Stack(buf, true)])
	return strings.Count(text, "mock.(*QP).run(") + strings.Count(text, "mock.(*Stream).run(")
}

// Close and Stop return when the goroutine has nothing left to do but end.
func TestNoGoroutineLeft(t *testing.T) {
	before := running()
	for _, end := range []string{"close the CQ", "close each"} {
		c := open(t, Config{Depth: 8})
		busy := newQP(t, c, QPConfig{Service: Const(time.Hour)})
		require.NoError(t, busy.Submit(WR{}))
		idle := newQP(t, c, QPConfig{IdleSpins: NeverSpin})
		spinning := newQP(t, c, QPConfig{IdleSpins: 1 << 30})
		stuck := newQP(t, c, QPConfig{})
		for range 8 {
			require.NoError(t, stuck.Submit(WR{}))
		}
		paced, unpaced := start(t, c, Load{Gap: Const(time.Hour)}), start(t, c, Load{})
		if end == "close each" {
			for _, q := range []*QP{busy, idle, spinning, stuck} {
				require.NoError(t, q.Close())
			}
			paced.Stop()
			unpaced.Stop()
			require.Empty(t, c.workers)
		} else {
			require.NoError(t, c.Close())
		}
		// What is left of a goroutine that has closed its channel is a few
		// instructions; nobody else can be waited for.
		for running() > before {
			runtime.Gosched()
		}
	}
}
