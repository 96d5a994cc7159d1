//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// ringer puts an event of its own into a completion channel, to get a waiter
// out of a blocking read. The kernel offers no other way: a channel can be
// waited on together with an eventfd by ppoll only, which costs a second
// system call per event.
//
// The event is a real one. A CQ on the channel, armed, gets the flush
// completion of a send that is posted on a QP in state ERR. No packet is
// involved.
//
// Concurrency: ring from any goroutine.
type ringer struct {
	dev *Device
	id  uint64 // the user handle the event carries

	mu  sync.Mutex // one ring at a time
	raw rawCQ
	qp  rawQP
}

const opRinger = "open wake-up queue pair"

// selfTest is how long a new ringer may take to show that it works. Idle it
// takes some 100 us; on an overloaded host it may be starved for long.
const selfTest = 5 * time.Second

// openRinger makes a ringer on the channel and tries it out.
func (d *Device) openRinger(channelFD int) (*ringer, error) {
	pd, err := d.helperPD()
	if err != nil {
		return nil, err
	}
	r := &ringer{dev: d, id: nextID.Add(1)}
	r.raw, err = d.makeCQ(opRinger, r.id, CQConfig{Depth: 7}, channelFD)
	if err != nil {
		return nil, err
	}
	c := QPConfig{SendDepth: 7, RecvDepth: 1, MaxSGE: 1}
	if err := d.makeQP(opRinger, &r.qp, r.id, pd.handle, r.raw.handle, r.raw.handle, c); err != nil {
		return nil, errors.Join(err, r.dropCQ())
	}
	err = r.qp.modify(d, opRinger, qpModify{mask: qpState, state: StateErr})
	if err == nil {
		err = r.test(channelFD)
	}
	if err != nil {
		return nil, errors.Join(err, r.drop())
	}
	return r, nil
}

// helperPD is the protection domain of all ringers of the device.
func (d *Device) helperPD() (*PD, error) {
	d.helperMu.Lock()
	defer d.helperMu.Unlock()
	if d.helper == nil {
		pd, err := d.OpenPD()
		if err != nil {
			return nil, err
		}
		d.helper = pd
	}
	return d.helper, nil
}

// test rings once and looks for the event.
func (r *ringer) test(channelFD int) error {
	if err := r.ring(); err != nil {
		return err
	}
	for end := time.Now().Add(selfTest); ; {
		left := unix.NsecToTimespec(max(0, int64(time.Until(end))))
		fds := []unix.PollFd{{Fd: int32(channelFD), Events: unix.POLLIN}}
		n, err := unix.Ppoll(fds, &left, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return opError(opRinger, err)
		case n == 0:
			return fmt.Errorf("rxe: %s: %w: no event within %v", opRinger, hwcq.ErrNotSupported, selfTest)
		}
		if id, err := readEvent(channelFD); err != nil || id != r.id {
			return fmt.Errorf("rxe: %s: %w: event %d, want %d (%v)", opRinger, ErrCorrupt, id, r.id, err)
		}
		return nil
	}
}

// ring causes one event. The one before must have been read.
func (r *ringer) ring() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Make room. Nobody reads these completions, so whatever the indices are,
	// the queue is empty now.
	r.raw.ring.cons.Store(r.raw.ring.prod.Load() & r.raw.ring.mask)
	if e := r.raw.arm(r.qp.fd, false); e != 0 {
		return opError("wake", e)
	}
	if _, err := r.qp.send.postSends([]SendWR{{Op: OpSend}}, 0); err != nil {
		return err
	}
	if e := r.qp.doorbell(); e != 0 {
		return opError("wake", e)
	}
	return nil
}

// drop releases everything. Nobody may be in ring, nor come.
func (r *ringer) drop() error {
	return errors.Join(r.qp.drop(r.dev, "close wake-up queue pair"), r.dropCQ())
}

func (r *ringer) dropCQ() error {
	_, err := r.dev.dropCQ("close wake-up queue", r.raw.handle)
	return errors.Join(err, r.raw.ringMap.Unmap(), r.raw.cmd.Unmap())
}
