//go:build linux && (amd64 || arm64)

package uring

// Stats returns the counters of the ring. Any goroutine may call it.
func (r *Ring) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := Stats{
		Submitted: r.slots.taken,
		InFlight:  r.slots.inFlight(),
		Enters:    r.submits + r.enters.Load(),
		Overflows: r.overflows.Load(),
		Lost:      uint64(r.cqLost.Load()),
		Strange:   r.strange.Load(),
	}
	s.Completed = s.Submitted - uint64(s.InFlight)
	return s
}
