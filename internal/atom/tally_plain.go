//go:build !race && !explore && (amd64 || arm64 || loong64 || ppc64 || ppc64le || riscv64 || s390x)

package atom

import "unsafe"

// add is a plain read and write: of words of a machine's size, aligned, a reader
// gets one that was written, not yet overwritten by what he is ordered after; the Go
// memory model promises that much of races. sync/atomic has no such write: its Store
// is an exchange on amd64, as costly as its Add.
func (t *Tally) add(n uint64) { *(*uint64)(unsafe.Pointer(&t.v)) += n }
