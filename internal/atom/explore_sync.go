//go:build explore

package atom

import (
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/evdengine/evd/internal/explore"
)

// Spin is called in every turn of a loop that only another goroutine can end.
func Spin() {
	if explore.Active() {
		explore.Spin()
		return
	}
	runtime.Gosched()
}

// Go starts fn as a goroutine, in an execution as a daemon thread.
func Go(name string, fn func()) {
	if !explore.Go(name, fn) {
		go fn()
	}
}

// Token is a one-token semaphore: the sticky, coalescing wake-up that a
// sleeper cannot miss. Signal before Wait makes Wait return at once; two
// Signals before a Wait count as one.
//
// Concurrency: Signal from any goroutine; Wait from one at a time.
// Zero value: not usable, use NewToken.
type Token struct{ c chan struct{} }

// NewToken returns a Token without a token in it.
func NewToken() Token { return Token{c: make(chan struct{}, 1)} }

// addr is the identity of the token.
func (t Token) addr() unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&t.c)) }

func (t Token) full() bool { return len(t.c) > 0 }

// take is the end of a wait: the token is there.
func (t Token) take() {
	<-t.c
	explore.Sync(t.addr(), explore.OpWait, 1, 0)
}

// Signal puts the token in, if it is not there already. It never blocks.
func (t Token) Signal() {
	p := explore.Point(t.addr(), explore.OpSignal)
	ok := false
	select {
	case t.c <- struct{}{}:
		ok = true
	default:
	}
	if p {
		explore.Done(b64(!ok), 1, ok)
	}
}

// Wait takes the token, sleeping until there is one.
func (t Token) Wait() {
	if explore.Active() {
		explore.BlockOn(t.addr(), t.full)
		t.take()
		return
	}
	<-t.c
}

// TryWait takes the token if it is there.
func (t Token) TryWait() bool {
	p := explore.Point(t.addr(), explore.OpWait)
	ok := false
	select {
	case <-t.c:
		ok = true
	default:
	}
	if p {
		explore.Done(b64(ok), 0, ok)
	}
	return ok
}

// WaitTimeout takes the token, giving up after d. In an execution the time
// out is a decision of the explorer, whatever d is: see explore.BlockTimeout.
func (t Token) WaitTimeout(d time.Duration) bool {
	if explore.Active() {
		if !explore.BlockTimeout(t.full) {
			return false
		}
		t.take()
		return true
	}
	if t.TryWait() {
		return true
	}
	tm := time.NewTimer(d)
	defer tm.Stop()
	select {
	case <-t.c:
		return true
	case <-tm.C:
		return t.TryWait()
	}
}

// C is the channel behind the token, for a select beside other channels. In
// an execution it is nil.
func (t Token) C() <-chan struct{} {
	if explore.Active() {
		return nil
	}
	return t.c
}

// Mutex is a sync.Mutex, in an execution one of the explorer.
//
// Concurrency: as sync.Mutex. It must not be held when an execution begins.
type Mutex struct {
	mu   sync.Mutex
	held bool // in an execution
}

// Lock locks the mutex.
func (m *Mutex) Lock() {
	if !explore.Active() {
		m.mu.Lock()
		return
	}
	explore.BlockOn(unsafe.Pointer(m), func() bool { return !m.held })
	m.held = true
	explore.Sync(unsafe.Pointer(m), explore.OpLock, 0, 1)
}

// TryLock locks the mutex if it is free.
func (m *Mutex) TryLock() bool {
	if !explore.Active() {
		return m.mu.TryLock()
	}
	p := explore.Point(unsafe.Pointer(m), explore.OpLock)
	ok := !m.held
	m.held = true
	if p {
		explore.Done(b64(!ok), 1, ok)
	}
	return ok
}

// Unlock unlocks the mutex.
func (m *Mutex) Unlock() {
	if !explore.Active() {
		m.mu.Unlock()
		return
	}
	p := explore.Point(unsafe.Pointer(m), explore.OpUnlock)
	if !m.held {
		panic("atom: unlock of unlocked Mutex")
	}
	m.held = false
	if p {
		explore.Done(1, 0, true)
	}
}

// Cond is a sync.Cond, in an execution one of the explorer.
//
// Concurrency: as sync.Cond. In an execution Signal wakes the one that waits
// longest.
type Cond struct {
	L *Mutex

	c            *sync.Cond
	waits, wakes uint64 // tickets given out and called, in an execution
}

// NewCond returns a Cond that uses m.
func NewCond(m *Mutex) *Cond { return &Cond{L: m, c: sync.NewCond(m)} }

// Wait unlocks L, sleeps until it is woken, and locks L again.
func (c *Cond) Wait() {
	if !explore.Active() {
		c.c.Wait()
		return
	}
	// Taking the ticket is an operation of its own: one who wakes without the
	// lock may come before it, which is the lost wake-up that locks prevent.
	p := explore.Point(unsafe.Pointer(c), explore.OpAdd)
	ticket := c.waits
	c.waits++
	if p {
		explore.Done(ticket, ticket+1, true)
	}
	c.L.Unlock()
	explore.BlockOn(unsafe.Pointer(c), func() bool { return c.wakes > ticket })
	explore.Sync(unsafe.Pointer(c), explore.OpWait, ticket, ticket)
	c.L.Lock()
}

// Signal wakes one waiting goroutine, if there is one.
func (c *Cond) Signal() { c.wake(1) }

// Broadcast wakes all waiting goroutines.
func (c *Cond) Broadcast() { c.wake(^uint64(0)) }

func (c *Cond) wake(most uint64) {
	if !explore.Active() {
		if most == 1 {
			c.c.Signal()
		} else {
			c.c.Broadcast()
		}
		return
	}
	p := explore.Point(unsafe.Pointer(c), explore.OpSignal)
	n := c.wakes
	c.wakes += min(most, c.waits-c.wakes)
	if p {
		explore.Done(n, c.wakes, c.wakes != n)
	}
}
