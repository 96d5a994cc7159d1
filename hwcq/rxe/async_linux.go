//go:build amd64 || arm64

package rxe

import (
	"os"

	"golang.org/x/sys/unix"
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
	unix.CloseOnExec(fd)
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
		// Fails when the file is closed, or the device removed.
		n, err := a.file.Read(b[:])
		if err != nil {
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

// dispatch counts an event and hands it to the user.
func (d *Device) dispatch(e asyncDesc) {
	ev := AsyncEvent{Type: e.kind}
	switch o := d.lookup(e.element).(type) {
	case *CQ:
		ev.CQ = o
		if e.kind == AsyncCQErr {
			o.overruns.Add(1)
		}
	case *QP:
		ev.QP = o
	case *SRQ:
		ev.SRQ = o
	default:
		if e.kind == AsyncPortActive || e.kind == AsyncPortErr {
			ev.Port = int(e.element)
		}
	}
	if d.onAsync != nil {
		d.onAsync(ev)
	}
}
