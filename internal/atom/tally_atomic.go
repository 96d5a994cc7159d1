//go:build race || explore || !(amd64 || arm64 || loong64 || ppc64 || ppc64le || riscv64 || s390x)

package atom

import "unsafe"

// add is a load and a store, where a plain write would be torn or told of. The explorer
// checks that there is one writer at a time.
func (t *Tally) add(n uint64) {
	PlainWrite(unsafe.Pointer(&t.v))
	t.v.Store(t.v.Load() + n)
}
