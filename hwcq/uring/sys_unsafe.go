//go:build linux && (amd64 || arm64)

package uring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// sysRingSetup is io_uring_setup.
func sysRingSetup(entries uint32, p *params) (fd int, e unix.Errno) {
	r, _, e := unix.Syscall(sysSetup, uintptr(entries), uintptr(unsafe.Pointer(p)), 0)
	return int(r), e
}

// sysRingEnter is io_uring_enter without waiting. The Go scheduler is not told: that
// would cost as much as a small call. So it is for calls that do not take long.
func sysRingEnter(fd int, submit, flags uint32) (n uint32, e unix.Errno) {
	r, _, e := unix.RawSyscall6(sysEnter, uintptr(fd), uintptr(submit), 0, uintptr(flags), 0, 0)
	return uint32(r), e
}

// sysRingEnterLong is sysRingEnter for calls that may take long.
func sysRingEnterLong(fd int, submit, flags uint32) (n uint32, e unix.Errno) {
	r, _, e := unix.Syscall6(sysEnter, uintptr(fd), uintptr(submit), 0, uintptr(flags), 0, 0)
	return uint32(r), e
}

// sysRingRegister is io_uring_register with an argument in memory.
func sysRingRegister[T any](fd int, op uint32, arg *T, n uint32) unix.Errno {
	_, _, e := unix.Syscall6(sysRegister, uintptr(fd), uintptr(op), uintptr(unsafe.Pointer(arg)), uintptr(n), 0, 0)
	return e
}
