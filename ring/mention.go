package ring

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// mention is never called. The compiler has the inline bodies of the atomics and the
// hooks in the package that uses a ring, which is where its code is made, only if something here
// that is not generic has called them (go1.26): without this function every Load of a
// user who does not happen to import sync/atomic himself would be a real call.
// TestInline fails then.
func mention() {
	var (
		n atom.Uint64
		p atom.Pointer[byte]
	)
	n.Store(n.Load() + n.Or(1))
	n.CompareAndSwap(0, 1)
	p.Store(p.Load())
	atom.PlainRead(unsafe.Pointer(&n))
	atom.PlainWrite(unsafe.Pointer(&n))
}

var _ = mention
