//go:build amd64 || arm64

package rxe

import (
	"fmt"
	"sync"

	"github.com/evdengine/evd/hwcq"
)

// PD is a protection domain: QPs reach only the memory regions of their own.
type PD struct {
	dev    *Device
	id     uint64
	handle uint32
	use    usage
}

// OpenPD allocates a protection domain.
func (d *Device) OpenPD() (*PD, error) {
	const op = "open PD"
	if err := d.opening(op); err != nil {
		return nil, err
	}
	defer d.opens.leave()
	var out [4]byte
	if err := d.exec(op, cmdAllocPD, words(resp), out[:], nil); err != nil {
		return nil, err
	}
	p := &PD{dev: d, id: nextID.Add(1), handle: le.Uint32(out[:])}
	d.add(p.id, p)
	return p, nil
}

func (p *PD) closeRank() int { return rankPD }

// Close releases the domain. While a QP or an MR is in it the error matches
// [hwcq.ErrBusy]. It is idempotent.
func (p *PD) Close() error {
	return p.use.close("close PD", func() error {
		if err := goneIsFine(p.dev.exec("close PD", cmdDeallocPD, words(nil, p.handle), nil, nil)); err != nil {
			return err
		}
		p.dev.remove(p.id)
		return nil
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
		return fmt.Errorf("rxe: %s: %w", op, hwcq.ErrClosed)
	}
	u.users++
	return nil
}

func (u *usage) release() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users--
}

// hold runs f while the object can be neither closed nor acquired.
func (u *usage) hold(op string, f func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return fmt.Errorf("rxe: %s: %w", op, hwcq.ErrClosed)
	}
	return f()
}

// close runs f once, if nothing uses the object. If f fails the object stays
// open.
func (u *usage) close(op string, f func() error) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return nil
	}
	if u.users > 0 {
		return fmt.Errorf("rxe: %s: %w: %d objects still use it", op, hwcq.ErrBusy, u.users)
	}
	if err := f(); err != nil {
		return err
	}
	u.closed = true
	return nil
}
