//go:build amd64 || arm64

package uring

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// Probe asks the kernel what its io_uring can do, by trying: releases say little, as
// vendors take over features. It opens and closes a few small rings; ask once.
func Probe() Features { return system.probe() }

func (h host) probe() Features {
	var f Features
	fd, e := h.setup(1, &params{})
	if e != 0 {
		f.why = h.explain(e, Config{Entries: 1})
		if e == unix.ENOSYS || e == unix.EPERM || e == unix.EACCES {
			f.has[FeatureRing] = No
		}
		return f
	}
	f.has[FeatureRing] = Yes
	defer unix.Close(fd)
	for _, s := range setupFeatures {
		f.has[s.feature] = h.accepts(s.flags)
		if f.has[s.feature] == Unknown {
			f.why = fmt.Errorf("%w: the probe of %v failed", hwcq.ErrUnavailable, s.feature)
		}
	}
	f.probeOps(fd)
	f.probeRegister(fd)
	f.probeMultishot()
	return f
}

// probeOps asks which operations there are (IORING_REGISTER_PROBE, Linux 5.6).
func (f *Features) probeOps(fd int) {
	var p opProbe
	if e := sysRingRegister(fd, registerProbe, &p, uint32(len(p.ops))); e != 0 {
		f.why = fmt.Errorf("%w: IORING_REGISTER_PROBE (Linux 5.6): %w", hwcq.ErrUnavailable, os.NewSyscallError("io_uring_register", e))
		return
	}
	for op := range f.ops {
		f.ops[op] = No
	}
	for _, o := range p.ops[:min(int(p.count), len(p.ops))] {
		if o.flags&opSupported != 0 {
			f.ops[o.op] = Yes
		}
	}
}

// probeRegister tries operations of io_uring_register. The kernel refuses unknown ones
// with EINVAL, so the arguments are such that a known one fails with something else,
// or succeeds and harms nothing.
func (f *Features) probeRegister(fd int) {
	f.has[FeatureBufferRings] = No
	// There is no such group to unregister.
	if e := sysRingRegister(fd, unregisterPbufRing, &bufReg{group: 65535}, 1); e == unix.ENOENT {
		f.has[FeatureBufferRings] = Yes
	}
	f.has[FeatureSyncCancel] = No
	// There is no request to cancel.
	if e := sysRingRegister(fd, registerSyncCancel, &syncCancel{fd: -1, flags: cancelAny, timeout: [2]int64{-1, -1}}, 1); e == 0 || e == unix.ENOENT {
		f.has[FeatureSyncCancel] = Yes
	}
}

// probeMultishot submits multishot requests that cannot succeed. A kernel that knows the
// flag gets as far as the file, which is none, and one that does not refuses it
// before.
func (f *Features) probeMultishot() {
	k, err := openKernelRing(Config{Entries: 2})
	if err != nil {
		f.why = err
		return
	}
	defer k.release()
	try := func(x Feature, s sqe) {
		s.fd, s.userData = -1, uint64(x)
		tail := k.sqTail.Load()
		*k.sqe(tail) = s
		k.sqTail.Store(tail + 1) // release; the kernel reads it in the call
		if _, e := sysRingEnter(k.fd, 1, enterGetEvents); e != 0 {
			f.why = fmt.Errorf("%w: the probe of %v: %w", hwcq.ErrUnavailable, x, os.NewSyscallError("io_uring_enter", e))
			return
		}
		head := k.cqHead.Load()
		if k.cqTail.Load() == head {
			f.why = fmt.Errorf("%w: the probe of %v did not complete", hwcq.ErrUnavailable, x)
			return
		}
		switch unix.Errno(-k.cqe(head).res) {
		case unix.EBADF:
			f.has[x] = Yes
		case unix.EINVAL:
			f.has[x] = No
		default:
			f.why = fmt.Errorf("%w: the probe of %v completed with %d", hwcq.ErrUnavailable, x, k.cqe(head).res)
		}
		k.cqHead.Store(head + 1) // release; the kernel may reuse the entry
	}
	try(FeatureMultishotAccept, sqe{opcode: OpAccept, ioprio: acceptMultishot})
	try(FeatureMultishotRecv, sqe{opcode: OpRecv, ioprio: recvMultishot, flags: sqeBufferSelect})
}
