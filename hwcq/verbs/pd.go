//go:build verbs && cgo && linux

package verbs

import (
	"fmt"
	"sync"

	"github.com/evdengine/evd/hwcq"
)

// PD is a protection domain: QPs reach only the memory regions of their own.
type PD struct {
	dev *Device
	id  uint64
	pd  *cPD
	use usage
}

// OpenPD allocates a protection domain.
func (d *Device) OpenPD() (*PD, error) {
	p := &PD{dev: d, id: nextID.Add(1)}
	err := d.make("open PD", p.id, p, func() (err error) { p.pd, err = allocPD(d.ctx); return err })
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (p *PD) closeRank() int { return rankPD }

// Close releases the domain. While a QP or an MR is in it the error matches
// [hwcq.ErrBusy]. It is idempotent.
func (p *PD) Close() error {
	const op = "close PD"
	return p.use.close(op, func() error {
		return p.dev.drop(op, p.id, func() error { return deallocPD(p.pd) })
	})
}

// usage counts the objects that use another one, and closes it only when
// there are none.
type usage struct {
	mu     sync.Mutex
	users  int
	closed bool
}

// acquire adds a user; op is for the error.
func (u *usage) acquire(op string) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return fmt.Errorf("verbs: %s: %w", op, hwcq.ErrClosed)
	}
	u.users++
	return nil
}

func (u *usage) release() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users--
}

// close runs f once, if nothing uses the object. If f fails because the object
// is busy all the same, it stays open.
func (u *usage) close(op string, f func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil
	}
	if u.users > 0 {
		return fmt.Errorf("verbs: %s: %w: %d objects still use it", op, hwcq.ErrBusy, u.users)
	}
	err := f()
	u.closed = !isBusy(err)
	return err
}
