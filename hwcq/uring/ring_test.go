//go:build linux && (amd64 || arm64)

package uring

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// open is a ring that is closed at the end of the test.
func open(t testing.TB, c Config) *Ring {
	t.Helper()
	r, err := Open(c)
	need(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

// openOwned is an Owner ring that this test's goroutine owns.
func openOwned(t testing.TB, c Config) *Ring {
	t.Helper()
	c.Shape = Owner
	r := open(t, c)
	runtime.LockOSThread()
	require.NoError(t, r.Bind())
	t.Cleanup(func() {
		require.NoError(t, r.Unbind())
		runtime.UnlockOSThread()
	})
	return r
}

// shapes runs a test on each kind of ring, ready for use by the test's goroutine.
func shapes(t *testing.T, c Config, f func(t *testing.T, r *Ring)) {
	t.Run("portable", func(t *testing.T) { f(t, open(t, c)) })
	t.Run("owner", func(t *testing.T) { f(t, openOwned(t, c)) })
	t.Run("coop", func(t *testing.T) { c := c; c.CoopTaskrun = true; f(t, open(t, c)) })
	t.Run("sqpoll", func(t *testing.T) { c := c; c.SQPoll = true; f(t, open(t, c)) })
}

func nop(wrid uint64) Request { return Request{WRID: wrid} }

func readInto(wrid uint64, fd int, buf []byte) Request {
	q := Request{WRID: wrid, sqe: sqe{opcode: OpRead, fd: int32(fd)}}
	q.use(buf)
	return q
}

// submit submits all of reqs.
func submit(t testing.TB, r *Ring, reqs ...Request) {
	t.Helper()
	n, err := r.Submit(reqs)
	require.NoError(t, err)
	require.Equal(t, len(reqs), n)
}

// collect polls until it has n completions.
func collect(t testing.TB, r *Ring, n int) []hwcq.WC {
	t.Helper()
	var out []hwcq.WC
	dst := make([]hwcq.WC, 16)
	for len(out) < n {
		k := r.Poll(dst)
		out = append(out, dst[:k]...)
		if k == 0 {
			runtime.Gosched()
		}
	}
	require.Len(t, out, n)
	return out
}

func TestOpenShapes(t *testing.T) {
	for _, c := range []Config{{}, {Shape: Owner}, {SQPoll: true}, {CoopTaskrun: true}, {Entries: 1}, {Entries: MaxEntries, Depth: MaxDepth}, {Entries: 17, Depth: 17}} {
		r, err := Open(c)
		need(t, err)
		require.Equal(t, c.depth(), r.Capabilities().Depth)
		require.NoError(t, r.Close())
		require.NoError(t, r.Close())
	}
}

func TestDepthIsComparedRounded(t *testing.T) {
	for _, depth := range []int{-1, 16, MaxDepth + 1} {
		_, err := Open(Config{Entries: 17, Depth: depth})
		require.ErrorIs(t, err, param.ErrInvalid, "%d", depth)
		require.ErrorContains(t, err, "or 17..65536")
	}
}

// A sweep's NOP alone must not fill the queue.
func TestLeastDepth(t *testing.T) {
	require.Equal(t, 2, open(t, Config{Entries: 1, Depth: 1}).Capabilities().Depth)
}

func TestNopsComplete(t *testing.T) {
	shapes(t, Config{Entries: 8}, func(t *testing.T, r *Ring) {
		for round := range 40 {
			var reqs []Request
			for i := range 1 + round%8 {
				q := nop(uint64(round*100 + i))
				q.QPNum = uint32(i)
				reqs = append(reqs, q)
			}
			submit(t, r, reqs...)
			for i, wc := range collect(t, r, len(reqs)) {
				require.Equal(t, hwcq.WC{WRID: reqs[i].WRID, QPNum: uint32(i), Opcode: OpNop.Opcode()}, wc)
			}
			require.False(t, r.Pending())
		}
		s := r.Stats()
		require.Equal(t, s.Submitted, s.Completed)
		require.Zero(t, s.InFlight)
		require.Zero(t, s.Strange)
		require.Zero(t, s.Lost)
	})
}

func TestReadOfFile(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		name := filepath.Join(t.TempDir(), "f")
		require.NoError(t, os.WriteFile(name, []byte("hello"), 0o600))
		f, err := os.Open(name)
		require.NoError(t, err)
		defer f.Close()
		heap := make([]byte, 16)
		mem, err := r.Alloc(16)
		require.NoError(t, err)
		for i, buf := range [][]byte{heap, mem} {
			submit(t, r, readInto(uint64(i), int(f.Fd()), buf))
			require.Equal(t, hwcq.WC{WRID: uint64(i), ByteLen: 5, Opcode: OpRead.Opcode()}, collect(t, r, 1)[0])
			require.Equal(t, "hello", string(buf[:5]))
		}
		submit(t, r, readInto(9, -1, heap))
		wc := collect(t, r, 1)[0]
		require.EqualValues(t, 9, wc.VendorErr, "EBADF")
		require.NotEqual(t, hwcq.StatusSuccess, wc.Status)
	})
}
