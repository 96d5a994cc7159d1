//go:build verbs && cgo && linux

package verbs

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/evdengine/evd/hwcq"
)

// sleeper waits for a completion channel through the Go runtime's poller: the
// goroutine parks, and no thread is in the kernel for it. Others get it out by
// a deadline that is over.
//
// Invariant: whoever has something for the waiter shows it before he sets the
// deadline. The waiter takes the deadline back before he looks, and then sleeps:
// so he sees it, or the sleep ends at once.
//
// Concurrency: ring from any goroutine; the rest belongs to the waiter.
type sleeper struct {
	f    *os.File // shares the channel's descriptor
	raw  syscall.RawConn
	take func(uintptr) bool // made once
	e    syscall.Errno      // what take found
}

// passed is a deadline in the past.
var passed = time.Unix(1, 0)

func newSleeper(c *cCQ) (*sleeper, error) {
	f, raw, err := share(channelFD(c), "verbs-channel")
	if err != nil {
		return nil, err
	}
	if err := f.SetReadDeadline(time.Time{}); err != nil { // the poller did not take it
		return nil, errors.Join(fmt.Errorf("completion channel: %w: %w", hwcq.ErrNotSupported, err), f.Close())
	}
	p := &sleeper{f: f, raw: raw}
	p.take = func(uintptr) bool {
		p.e = eventCQ(c)
		return p.e != syscall.EAGAIN && p.e != syscall.EINTR
	}
	return p, nil
}

// sleep returns when there was an event, or when somebody has rung: look, then
// sleep again.
func (p *sleeper) sleep() (event bool, e syscall.Errno) {
	p.e = syscall.EAGAIN
	switch err := p.raw.Read(p.take); {
	case err == nil:
		return p.e == 0, p.e
	case errors.Is(err, os.ErrDeadlineExceeded):
		if p.quiet() == nil { // before the look: see the invariant
			return false, 0
		}
	}
	return false, syscall.EIO
}

func (p *sleeper) ring() error  { return p.f.SetReadDeadline(passed) }
func (p *sleeper) quiet() error { return p.f.SetReadDeadline(time.Time{}) }
func (p *sleeper) close() error { return p.f.Close() }
