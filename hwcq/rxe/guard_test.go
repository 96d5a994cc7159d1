//go:build linux && (amd64 || arm64)

package rxe

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Nobody is inside once wait returned, and nobody gets in after shut.
func TestGuardKeepsUsersOut(t *testing.T) {
	for range 200 {
		g := newGuard()
		var released atomic.Bool
		var wg sync.WaitGroup
		start := make(chan struct{})
		for range 4 {
			wg.Go(func() {
				<-start
				for g.enter() {
					if released.Load() {
						t.Error("inside after the release")
					}
					g.leave()
				}
			})
		}
		close(start)
		g.shut()
		require.True(t, g.wait(time.Minute))
		released.Store(true)
		require.False(t, g.enter())
		require.True(t, g.closed())
		wg.Wait()
	}
}

func TestGuardWaitGivesUp(t *testing.T) {
	g := newGuard()
	require.True(t, g.enter())
	g.shut()
	require.False(t, g.empty())
	require.False(t, g.wait(time.Millisecond))
	g.leave()
	require.True(t, g.wait(time.Minute))
}
