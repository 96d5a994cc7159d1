//go:build !explore

package atom

import "time"

// Token is a one-token semaphore: the sticky, coalescing wake-up that a
// sleeper cannot miss. Signal before Wait makes Wait return at once; two
// Signals before a Wait count as one.
//
// Concurrency: Signal from any goroutine; Wait from one at a time.
// Zero value: not usable, use NewToken.
type Token struct{ c chan struct{} }

// NewToken returns a Token without a token in it.
func NewToken() Token { return Token{c: make(chan struct{}, 1)} }

// Signal puts the token in, if it is not there already. It never blocks.
func (t Token) Signal() {
	select {
	case t.c <- struct{}{}:
	default:
	}
}

// Wait takes the token, sleeping until there is one.
func (t Token) Wait() { <-t.c }

// TryWait takes the token if it is there.
func (t Token) TryWait() bool {
	select {
	case <-t.c:
		return true
	default:
		return false
	}
}

// WaitTimeout takes the token, giving up after d. It allocates a timer: not
// for hot paths.
func (t Token) WaitTimeout(d time.Duration) bool {
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

// C is the channel behind the token, for a select beside other channels.
// Under the explorer it is nil.
func (t Token) C() <-chan struct{} { return t.c }
