//go:build linux && (amd64 || arm64)

package uring

import (
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// stash holds completions that were taken out of the rings before anybody polled: at
// Unbind and Close, when the kernel must be rid of all requests. The consumer's.
type stash struct{ wcs []hwcq.WC }

// closeAccepted forgets the completions, and closes the connections that were accepted:
// nobody knows of them, nor ever will.
func (s *stash) closeAccepted() {
	for i := range s.wcs {
		if wc := &s.wcs[i]; wc.Opcode == OpAccept.Opcode() && wc.Status == hwcq.StatusSuccess {
			_ = unix.Close(int(wc.ByteLen))
		}
	}
	s.wcs = nil
}

// pollOdd is poll of a ring that is corrupt or has a stash, which goes first.
func (r *Ring) pollOdd(dst []hwcq.WC) int {
	n := copy(dst, r.stash.wcs)
	if r.stash.wcs = r.stash.wcs[n:]; len(r.stash.wcs) == 0 {
		r.stash.wcs = nil
		r.state.And(^uint32(stStash))
	}
	if n < len(dst) && r.state.Load()&stCorrupt == 0 {
		n += r.take(dst[n:])
	}
	return n
}

// reap takes what is in the completion queue into the stash, for the consumer; what
// comes meanwhile is for the next time, so that it ends.
func (r *Ring) reap() (found bool) {
	var wcs [64]hwcq.WC
	for tail := r.cqTail.Load(); r.state.Load()&stCorrupt == 0 && int32(tail-r.cqHead.Load()) > 0; {
		n := r.take(wcs[:])
		r.stash.wcs = append(r.stash.wcs, wcs[:n]...)
		found = found || n > 0
	}
	if len(r.stash.wcs) > 0 {
		r.setState(stStash)
	}
	return found
}
