//go:build linux && (amd64 || arm64)

package uring

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// What a kernel does seldom, or never should.

// A tail further on than the queue is long: nothing is read, and everybody is told.
func TestTailBeyondTheQueue(t *testing.T) {
	r, k := openFake(t, Config{Entries: 4, Depth: 4})
	defer k.drop(t)
	r.cqTail.Store(r.cqHead.Load() + 5)
	require.Zero(t, r.Poll(make([]hwcq.WC, 8)))
	require.Zero(t, r.Stats().Strange, "none was read")
	_, err := r.Arm(false)
	require.ErrorIs(t, err, ErrCorrupt)
	_, err = r.Submit([]Request{nop(1)})
	require.ErrorIs(t, err, ErrCorrupt)
	require.False(t, r.Pending())
}

// A sweep that the kernel has no memory for is made again.
func TestSweepWithoutMemory(t *testing.T) {
	r, k := openFake(t, Config{Entries: 4, Depth: 4})
	defer k.drop(t)
	for i := range 4 {
		k.complete(cqe{userData: messageBit | uint64(i)})
	}
	dst := make([]hwcq.WC, 4)
	require.Equal(t, 4, r.Poll(dst)) // seen full
	k.errno = unix.ENOMEM
	for range 2 {
		require.True(t, r.Pending(), "there is a sweep to do")
		enters := k.enters
		require.Zero(t, r.Poll(dst))
		require.Equal(t, enters+1, k.enters)
		require.Equal(t, r.sqHead.Load(), r.sqTail.Load(), "its NOP was taken back")
	}
	k.errno = 0
	require.Zero(t, r.Poll(dst))
	require.Equal(t, uint32(1), r.sqHead.Load(), "the NOP was fetched")
	require.False(t, r.Pending())
}

// Where there was task work lately, more of it is run in the call that hands over
// requests; where there was none, that is not paid for.
func TestTaskWorkIsExpected(t *testing.T) {
	r := fakeNops(t, Config{Shape: Owner})
	nops := r.fake
	var flags uint32
	r.fake = func(n, f uint32) (uint32, unix.Errno) {
		flags = f
		return nops(n, f)
	}
	dst := make([]hwcq.WC, 1)
	turn := func() uint32 {
		submit(t, r, nop(1))
		require.Equal(t, 1, r.Poll(dst))
		return flags
	}
	require.Zero(t, turn())
	r.sqFlags.Store(sqTaskrun)
	require.EqualValues(t, enterGetEvents, turn())
	r.sqFlags.Store(0)
	for range warmFor - 1 {
		require.EqualValues(t, enterGetEvents, turn())
	}
	require.Zero(t, turn())
}
