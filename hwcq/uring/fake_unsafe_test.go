//go:build linux && (amd64 || arm64)

package uring

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/internal/mapped"
)

// fakeKernel is the kernel's side of a ring over plain memory, which a test plays.
type fakeKernel struct {
	r      *Ring
	params params
	ring   mapped.Pages
	enters int
	limit  int        // entries that an enter fetches at most, if it is not negative
	errno  unix.Errno // what enter says
}

// openFake is a ring on which nothing happens but what the test does. Its fd is none.
func openFake(t testing.TB, c Config) (*Ring, *fakeKernel) {
	t.Helper()
	f := &fakeKernel{limit: -1}
	f.params = params{
		sqEntries: uint32(c.entries()), cqEntries: uint32(c.depth()), flags: setupNoSQArray,
		sqOff: sqOffsets{head: 0, tail: 4, mask: 16, entries: 24, dropped: 32, flags: 36},
		cqOff: cqOffsets{head: 64, tail: 68, mask: 20, entries: 28, flags: 40, overflow: 44, cqes: 128},
	}
	var err error
	f.ring, err = mapped.Anon(ringSize(&f.params))
	require.NoError(t, err)
	entries, err := mapped.Anon(sqeSize * uintptr(f.params.sqEntries))
	require.NoError(t, err)
	f.word(f.params.sqOff.mask, f.params.sqEntries-1)
	f.word(f.params.cqOff.mask, f.params.cqEntries-1)
	k := &kernelRing{fd: -1, ring: f.ring, entries: entries}
	k.rings, err = newRings(&f.params, k.ring, k.entries)
	require.NoError(t, err)
	bell, err := openEventFD(c.Shape == Owner)
	require.NoError(t, err)
	f.r = newRing(c, k, bell)
	f.r.fake = f.enter
	return f.r, f
}

// word sets a word of the rings.
func (f *fakeKernel) word(off, v uint32) {
	b := f.ring.Bytes()[off:]
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

// complete posts a completion.
func (f *fakeKernel) complete(c cqe) {
	tail := f.r.cqTail.Load()
	*f.r.cqe(tail) = c
	f.r.cqTail.Store(tail + 1)
}

// enter does nothing but fetch.
func (f *fakeKernel) enter(n, _ uint32) (uint32, unix.Errno) {
	f.enters++
	if f.errno != 0 {
		return 0, f.errno
	}
	if f.limit >= 0 {
		n = min(n, uint32(f.limit))
	}
	f.r.sqHead.Store(f.r.sqHead.Load() + n)
	return n, 0
}

// fakeNops completes every request at once, with 0.
func fakeNops(t testing.TB, c Config) *Ring {
	r, _ := openFake(t, c)
	r.fake = func(n, _ uint32) (uint32, unix.Errno) {
		head, tail := r.sqHead.Load(), r.cqTail.Load()
		for i := range n {
			*r.cqe(tail + i) = cqe{userData: r.sqe(head + i).userData}
		}
		r.cqTail.Store(tail + n)
		r.sqHead.Store(head + n)
		return n, 0
	}
	return r
}

// drop releases a ring whose kernel never ends anything.
func (f *fakeKernel) drop(t testing.TB) {
	f.r.slots.releaseAll()
	require.NoError(t, f.r.bell.close())
	for i := range f.r.pages {
		require.NoError(t, f.r.pages[i].Unmap())
	}
}
