//go:build linux

// Package mapped is memory outside the Go heap: anonymous pages, and pages shared
// with the kernel.
package mapped

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Pages are mapped pages. The zero Pages are none.
//
// Ownership: who mapped them unmaps them, when nothing holds a pointer into them.
type Pages struct {
	Base unsafe.Pointer
	Size uintptr
}

const readWrite = unix.PROT_READ | unix.PROT_WRITE

// Anon returns size bytes of zeroed private memory, rounded up to pages.
func Anon(size uintptr) (Pages, error) {
	size = Align(size)
	return mmap(-1, 0, nil, size, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
}

// Shared maps size bytes of a file at offset, shared; flags are added to
// MAP_SHARED. Size of the result is rounded up to pages.
func Shared(fd int, offset int64, size uintptr, flags int) (Pages, error) {
	p, err := mmap(fd, offset, nil, size, unix.MAP_SHARED|flags)
	p.Size = Align(p.Size)
	return p, err
}

// Reserve returns size bytes of address space, rounded up to pages: zeroed
// private memory that counts for nothing until it is touched.
func Reserve(size uintptr) (Pages, error) {
	size = Align(size)
	return mmap(-1, 0, nil, size, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
}

func mmap(fd int, offset int64, at unsafe.Pointer, size uintptr, flags int) (Pages, error) {
	p, err := unix.MmapPtr(fd, offset, at, size, readWrite, flags)
	if err != nil {
		return Pages{}, os.NewSyscallError("mmap", err)
	}
	return Pages{p, size}, nil
}

// Align rounds n up to pages.
func Align(n uintptr) uintptr {
	p := uintptr(os.Getpagesize())
	return (n + p - 1) &^ (p - 1)
}

// Bytes is the memory as a slice.
func (p Pages) Bytes() []byte { return unsafe.Slice((*byte)(p.Base), p.Size) }

// Addr is the address as a number, for the kernel. The pages never move.
func (p Pages) Addr() uint64 { return uint64(uintptr(p.Base)) }

// Unmap releases the pages. Nothing may hold a pointer into them.
func (p *Pages) Unmap() error {
	if p.Base == nil {
		return nil
	}
	err := unix.MunmapPtr(p.Base, p.Size)
	*p = Pages{}
	return os.NewSyscallError("munmap", err)
}

// Blank replaces the pages, in one step, by zeroed private ones at the same
// address: what was mapped is released, yet a pointer into it stays readable
// and writable. Unmap must follow when the last pointer is gone.
func (p Pages) Blank() error {
	if p.Base == nil {
		return nil
	}
	_, err := mmap(-1, 0, p.Base, p.Size, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_FIXED|unix.MAP_NORESERVE)
	return err
}

// Overlay maps size bytes of a file at offset, shared, over the beginning of
// the pages, and blanks the rest: see Blank. In between they all are blank.
func (p Pages) Overlay(fd int, offset int64, size uintptr) error {
	if Align(size) > p.Size {
		return unix.ENOMEM
	}
	if err := p.Blank(); err != nil {
		return err
	}
	_, err := mmap(fd, offset, p.Base, size, unix.MAP_SHARED|unix.MAP_FIXED)
	return err
}
