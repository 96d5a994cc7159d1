//go:build linux && (amd64 || arm64)

package rxe

import (
	"sync/atomic"
	"time"
)

// guard keeps what its users work with alive until the last of them left, and
// turns newcomers away once it is closed.
//
// Invariant: the resource may be released when state == guardClosed, and is
// not released before.
//
// Concurrency: enter and leave from any goroutine; close from one.
// Progress: enter and leave are wait-free; close waits for the users.
type guard struct {
	state atomic.Int64  // users, plus guardClosed
	idle  chan struct{} // cap 1: a user left after close
}

const guardClosed = 1 << 62

func newGuard() guard { return guard{idle: make(chan struct{}, 1)} }

// enter reports whether the caller may use the resource, until it calls
// leave.
func (g *guard) enter() bool {
	// Announces the user before looking at the closed bit; pairs with the Or
	// in close, which sets the bit before looking at the users: one of the
	// two sees the other.
	if g.state.Add(1)&guardClosed == 0 {
		return true
	}
	g.leave()
	return false
}

func (g *guard) leave() {
	if g.state.Add(-1) == guardClosed {
		select {
		case g.idle <- struct{}{}:
		default:
		}
	}
}

// closed reports whether close was called.
func (g *guard) closed() bool { return g.state.Load()&guardClosed != 0 }

// shut turns newcomers away, without waiting for those inside.
func (g *guard) shut() { g.state.Or(guardClosed) }

// empty reports whether nobody is inside; once shut, that is for good.
func (g *guard) empty() bool { return g.state.Load() == guardClosed }

// wait waits for the last user to leave, but not longer than d. shut must
// have been called.
func (g *guard) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	for !g.empty() {
		select {
		case <-g.idle:
		case <-t.C:
			return g.empty()
		}
	}
	return true
}
