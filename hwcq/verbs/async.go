//go:build verbs && cgo && linux

package verbs

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// asyncReader reads a device's asynchronous events for as long as the device
// is open: they are the only sign of an overrun.
type asyncReader struct {
	dev  *Device
	file *os.File // shares the context's descriptor; for the runtime's poller
	raw  syscall.RawConn
	ev   cAsync
	err  error
}

// startAsync waits through the runtime's poller, so that the goroutine costs no
// thread and closing the file ends it.
func startAsync(d *Device) (*asyncReader, error) {
	const op = "read asynchronous events"
	file, raw, err := share(asyncFD(d.ctx), "verbs-async")
	if err != nil {
		return nil, opError(op, err)
	}
	a := &asyncReader{dev: d, file: file, raw: raw}
	go a.run()
	return a, nil
}

// share makes fd non-blocking, and a file of it that can be closed by itself.
func share(fd int, name string) (*os.File, syscall.RawConn, error) {
	if err := nonblocking(fd); err != nil {
		return nil, nil, err
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("fcntl", err)
	}
	f := os.NewFile(uintptr(dup), name)
	raw, err := f.SyscallConn()
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return f, raw, nil
}

func (a *asyncReader) run() {
	read := func(uintptr) bool {
		a.err = asyncEvent(a.dev.ctx, &a.ev)
		return a.err != syscall.EAGAIN && a.err != syscall.EINTR
	}
	for {
		// Fails when the file is closed. The context is used only inside, and
		// Close of the file waits for that; the callback is outside, because it
		// may be the one that closes.
		if a.raw.Read(read) != nil {
			return
		}
		if a.err != nil { // disassociated: the device is gone
			a.dev.gone()
			return
		}
		a.dev.dispatch(a.ev)
	}
}

// stop ends the reader. It does not wait for a callback in progress, which
// may be the caller.
func (a *asyncReader) stop() error { return a.file.Close() }

// dispatch acts on an event, and hands it to who listens to the CQs that it
// concerns and to the user.
func (d *Device) dispatch(e cAsync) {
	ev := AsyncEvent{Type: rxe.AsyncType(e._type)}
	switch e.what {
	case asyncPort:
		ev.Port = int(e.id)
		switch ev.Type {
		case rxe.AsyncPortActive:
			d.tellCQs(hwcq.AsyncEvent{Kind: hwcq.AsyncPortUp, Port: ev.Port})
		case rxe.AsyncPortErr:
			d.tellCQs(hwcq.AsyncEvent{Kind: hwcq.AsyncPortDown, Port: ev.Port})
		}
	case asyncDevice:
		switch ev.Type {
		case rxe.AsyncDeviceFatal:
			d.gone()
		case rxe.AsyncSRQErr:
			d.tellCQs(hwcq.AsyncEvent{Kind: hwcq.AsyncOther})
		}
	case asyncCQ, asyncQP:
		switch o := d.lookup(uint64(e.id)).(type) {
		case *CQ:
			ev.CQ = o
			o.overrun()
		case *QP:
			ev.QP = o
			if ev.Type >= rxe.AsyncQPFatal && ev.Type <= rxe.AsyncQPAccessErr {
				o.tellCQs(hwcq.AsyncEvent{Kind: hwcq.AsyncQP, QPNum: o.num})
			}
		}
	}
	if d.onAsync != nil {
		d.onAsync(ev)
	}
}

// gone marks the device as removed and tells whoever waits or listens, once.
func (d *Device) gone() {
	if d.removed.Swap(true) {
		return
	}
	for _, q := range d.cqs() {
		q.src.stir()
	}
	d.tellCQs(hwcq.AsyncEvent{Kind: hwcq.AsyncRemoved})
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
