package timer

import "github.com/evdengine/evd/hwcq"

// source is the event source of a CQ.
//
// Invariant: whoever changes events, woken or CQ.closed puts the token in
// afterwards, and Wait looks at all three after each token.
type source struct {
	cq  *CQ
	tok chan struct{}

	// Guarded by cq.mu.
	armed   bool
	events  int // raised and not taken
	woken   bool
	waiting bool // somebody is in Wait
	note    func()
}

var (
	_ hwcq.EventSource = (*source)(nil)
	_ hwcq.Notifier    = (*source)(nil)
)

// completed raises the event of an armed CQ. cq.mu is held.
func (s *source) completed() {
	if s.armed {
		s.armed = false
		s.events++
		s.signal()
	}
}

func (s *source) signal() {
	select {
	case s.tok <- struct{}{}:
	default: // one token says all
	}
	if s.note != nil {
		s.note()
	}
}

// Notify implements hwcq.Notifier. fn is called under the CQ's lock; there is no
// descriptor.
func (s *source) Notify(fn func()) (fd int, err error) {
	s.cq.mu.Lock()
	defer s.cq.mu.Unlock()
	s.note = fn
	if s.cq.closed && fn != nil {
		return -1, errClosed
	}
	return -1, nil
}

// Wait implements hwcq.EventSource. Events come before a Wake.
func (s *source) Wait() (event bool, err error) {
	if !s.enter() {
		return false, errBusy
	}
	for {
		done, event, err := s.look()
		if done {
			return event, err
		}
		<-s.tok
	}
}

// enter makes the caller the waiter.
func (s *source) enter() bool {
	s.cq.mu.Lock()
	defer s.cq.mu.Unlock()
	if s.waiting {
		return false
	}
	s.waiting = true
	return true
}

// look takes what there is for the waiter; with it the wait is over.
func (s *source) look() (done, event bool, err error) {
	s.cq.mu.Lock()
	defer s.cq.mu.Unlock()
	switch {
	case s.cq.closed:
		err = errClosed
	case s.events > 0:
		s.events--
		event = true
	case s.woken:
		s.woken = false
	default:
		return false, false, nil
	}
	s.waiting = false
	return true, event, err
}

// TryWait implements hwcq.EventSource.
func (s *source) TryWait() (event bool, err error) {
	s.cq.mu.Lock()
	defer s.cq.mu.Unlock()
	switch {
	case s.cq.closed:
		return false, errClosed
	case s.waiting:
		return false, errBusy
	case s.events == 0:
		return false, nil
	}
	s.events--
	return true, nil
}

// Wake implements hwcq.EventSource.
func (s *source) Wake() {
	s.cq.mu.Lock()
	defer s.cq.mu.Unlock()
	s.woken = true
	s.signal()
}
