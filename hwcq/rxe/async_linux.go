//go:build amd64 || arm64

package rxe

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// asyncReader reads a device's asynchronous events for as long as the device
// is open: they are the only sign of an overrun.
type asyncReader struct {
	dev  *Device
	file *os.File
}

// startAsync takes over the async fd. The runtime poller waits on it, so the
// goroutine costs no thread and closing the file ends it.
func startAsync(d *Device, fd int) (*asyncReader, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		_ = unix.Close(fd)
		return nil, opError("open", os.NewSyscallError("fcntl", err))
	}
	a := &asyncReader{dev: d, file: os.NewFile(uintptr(fd), "rxe-async")}
	go a.run()
	return a, nil
}

func (a *asyncReader) run() {
	var b [16]byte
	for {
		n, err := a.file.Read(b[:])
		switch {
		case errors.Is(err, os.ErrClosed):
			return
		case err != nil: // EIO: the device was taken away from under the file
			a.dev.dispatch(asyncDesc{kind: AsyncDeviceFatal})
			return
		}
		if ev, err := decAsync(b[:n]); err == nil {
			a.dev.dispatch(ev)
		}
	}
}

// stop ends the reader. It does not wait for a callback in progress, which
// may be the caller.
func (a *asyncReader) stop() { _ = a.file.Close() }

// dispatch counts an event, and tells whom it concerns: the user, and who listens to the
// CQs. Of the two goroutines that call it, the async file's and the removal's, one at a
// time.
func (d *Device) dispatch(e asyncDesc) {
	d.tellMu.Lock()
	defer d.tellMu.Unlock()
	ev := AsyncEvent{Type: e.kind}
	// An element is a port's number, or nothing, where it is no object's id.
	var o object
	if e.kind.ofObject() {
		o = d.lookup(e.element)
	}
	switch o := o.(type) {
	case *CQ:
		ev.CQ = o
		if e.kind == AsyncCQErr {
			o.overruns.Add(1)
			o.hear(hwcq.AsyncEvent{Kind: hwcq.AsyncOverrun})
		}
	case *QP:
		ev.QP = o
		if e.kind.ofQP() {
			o.tellCQs(hwcq.AsyncEvent{Kind: hwcq.AsyncQP, QPNum: o.Num()})
		}
	case *SRQ:
		ev.SRQ = o
	}
	switch e.kind {
	case AsyncPortActive, AsyncPortErr:
		ev.Port = int(e.element)
		kind := hwcq.AsyncPortUp
		if e.kind == AsyncPortErr {
			kind = hwcq.AsyncPortDown
		}
		d.tellCQs(hwcq.AsyncEvent{Kind: kind, Port: ev.Port})
	case AsyncSRQErr:
		d.tellCQs(hwcq.AsyncEvent{Kind: hwcq.AsyncOther})
	case AsyncDeviceFatal:
		if d.gone.Swap(true) {
			return // told already
		}
		for _, q := range d.cqs() { // those opened from now on see gone
			q.ev.lose()
		}
		d.tellCQs(hwcq.AsyncEvent{Kind: hwcq.AsyncRemoved})
	}
	if d.onAsync != nil {
		d.onAsync(ev)
	}
}

// cqs lists the live CQs.
func (d *Device) cqs() (all []*CQ) {
	for _, o := range d.objects() {
		if q, ok := o.(*CQ); ok {
			all = append(all, q)
		}
	}
	return all
}

// tellCQs tells who listens to the device's CQs.
func (d *Device) tellCQs(ev hwcq.AsyncEvent) {
	for _, q := range d.cqs() {
		q.hear(ev)
	}
}

// tellCQs tells who listens to the QP's CQs.
func (q *QP) tellCQs(ev hwcq.AsyncEvent) {
	q.cfg.SendCQ.hear(ev)
	if q.cfg.RecvCQ != q.cfg.SendCQ {
		q.cfg.RecvCQ.hear(ev)
	}
}

var _ hwcq.AsyncNotifier = (*CQ)(nil)

// NotifyAsync implements [hwcq.AsyncNotifier].
func (q *CQ) NotifyAsync(fn func(hwcq.AsyncEvent)) {
	if fn == nil {
		q.async.Store(nil)
		return
	}
	q.async.Store(&fn)
}

// hear tells who listens.
func (q *CQ) hear(ev hwcq.AsyncEvent) {
	if fn := q.async.Load(); fn != nil {
		(*fn)(ev)
	}
}
