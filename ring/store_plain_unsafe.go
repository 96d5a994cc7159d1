//go:build amd64 && !explore && !race

package ring

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// storeRelease stores v after everything that was read and written before. On this
// architecture a plain store is that: stores become visible in their order, and none
// before an older load is done (Intel SDM vol. 3A, 8.2.2); the compiler keeps the
// order of stores too. An atomic one is a full barrier besides.
func storeRelease(p *atom.Uint64, v uint64) { *(*uint64)(unsafe.Pointer(p)) = v }
