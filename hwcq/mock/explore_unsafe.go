package mock

import (
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// The functions below declare plain accesses to the explorer's race check.
// They compile to nothing in other builds.

// touch declares the poller's private fields as written.
func (p *poller) touch() { atom.PlainWrite(unsafe.Pointer(&p.cons)) }

func (c *CQ) touchRead(i, n int) {
	for ; n > 0; n-- {
		atom.PlainRead(unsafe.Pointer(&c.slots[i&int(c.mask)]))
		i++
	}
}

func (c *CQ) touchWrite(i, n int) {
	for ; n > 0; n-- {
		atom.PlainWrite(unsafe.Pointer(&c.slots[i&int(c.mask)]))
		i++
	}
}

func (q *QP) touch(first uint32, n int, write bool) {
	for i := range n {
		p := unsafe.Pointer(&q.sq[(first+uint32(i))&q.mask])
		if write {
			atom.PlainWrite(p)
		} else {
			atom.PlainRead(p)
		}
	}
}
