//go:build linux && (amd64 || arm64)

package uring

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// with gives a request a WRID.
func with(wrid uint64, q Request) Request {
	q.WRID = wrid
	return q
}

// one submits a request and returns its completion, the only one.
func one(t testing.TB, r *Ring, q Request) hwcq.WC {
	t.Helper()
	submit(t, r, q)
	wc := collect(t, r, 1)[0]
	require.Equal(t, q.WRID, wc.WRID)
	require.Equal(t, q.QPNum, wc.QPNum)
	require.Equal(t, q.sqe.opcode, OpOf(wc))
	return wc
}

// succeeds is one that must succeed; it returns the result.
func succeeds(t testing.TB, r *Ring, q Request) int {
	t.Helper()
	wc := one(t, r, q)
	n, err := Result(wc)
	require.NoError(t, err)
	require.Equal(t, hwcq.StatusSuccess, wc.Status)
	require.Zero(t, wc.VendorErr)
	return n
}

// fails is one that must fail, with an errno and a status.
func fails(t testing.TB, r *Ring, q Request, e syscall.Errno, s hwcq.Status) {
	t.Helper()
	failed := one(t, r, q)
	isFailure(t, failed, e, s)
}

func isFailure(t testing.TB, wc hwcq.WC, e syscall.Errno, s hwcq.Status) {
	t.Helper()
	n, err := Result(wc)
	require.ErrorIs(t, err, e)
	require.Zero(t, n)
	require.Equal(t, s, wc.Status)
	require.Zero(t, wc.ByteLen)
}

// byWRID collects n completions of n requests.
func byWRID(t testing.TB, r *Ring, n int) map[uint64]hwcq.WC {
	t.Helper()
	m := map[uint64]hwcq.WC{}
	for _, wc := range collect(t, r, n) {
		require.NotContains(t, m, wc.WRID)
		m[wc.WRID] = wc
	}
	return m
}

// tempFile is a file with these contents, open for reading and writing.
func tempFile(t testing.TB, contents string) int {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(name, []byte(contents), 0o600))
	fd, err := unix.Open(name, unix.O_RDWR|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	closeLater(t, fd)
	return fd
}

// closeLater closes files at the end of the test, those that are still open.
func closeLater(t testing.TB, fds ...int) {
	t.Cleanup(func() {
		for _, fd := range fds {
			_ = unix.Close(fd)
		}
	})
}

func pipe(t testing.TB) (r, w int) {
	t.Helper()
	var p [2]int
	require.NoError(t, unix.Pipe2(p[:], unix.O_CLOEXEC))
	closeLater(t, p[0], p[1])
	return p[0], p[1]
}

func TestFileOps(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		fd := tempFile(t, "")
		require.Equal(t, 11, succeeds(t, r, with(1, Write(fd, []byte("hello world"), 0))))
		require.Equal(t, 5, succeeds(t, r, with(2, Write(fd, []byte("uring"), 6))))
		require.Equal(t, 0, succeeds(t, r, with(3, Fsync(fd, false))))
		require.Equal(t, 0, succeeds(t, r, with(4, Fsync(fd, true))))

		buf := make([]byte, 64)
		require.Equal(t, 11, succeeds(t, r, with(5, Read(fd, buf, 0))))
		require.Equal(t, "hello uring", string(buf[:11]))
		require.Equal(t, 4, succeeds(t, r, with(6, Read(fd, buf[:4], 6))))
		require.Equal(t, "urin", string(buf[:4]))
		require.Equal(t, 0, succeeds(t, r, with(7, Read(fd, buf, 11))), "at the end")
		require.Equal(t, 0, succeeds(t, r, with(8, Read(fd, nil, 0))), "nothing asked for")
		require.Equal(t, 0, succeeds(t, r, with(8, Write(fd, buf[:0], 0))), "nothing given")

		// The position is the file's own, and offsets do not move it.
		require.Equal(t, 6, succeeds(t, r, with(9, Read(fd, buf[:6], CurrentPosition))))
		require.Equal(t, 5, succeeds(t, r, with(10, Read(fd, buf, CurrentPosition))))
		require.Equal(t, "uring", string(buf[:5]))
		require.Equal(t, 1, succeeds(t, r, with(11, Write(fd, []byte("!"), CurrentPosition))))
		got := make([]byte, 64)
		n, err := unix.Pread(fd, got, 0)
		require.NoError(t, err)
		require.Equal(t, "hello uring!", string(got[:n]))

		require.Equal(t, 0, succeeds(t, r, with(12, CloseFD(fd))))
		fails(t, r, with(13, CloseFD(fd)), unix.EBADF, hwcq.StatusLocQPOpErr)
	})
}

func TestFileErrors(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		in, out := pipe(t)
		dir, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_CLOEXEC, 0)
		require.NoError(t, err)
		closeLater(t, dir)
		fd := tempFile(t, "some text")
		nowhere, err := unix.Mmap(-1, 0, 4096, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		require.NoError(t, err)
		defer func() { require.NoError(t, unix.Munmap(nowhere)) }()

		buf := make([]byte, 8)
		fails(t, r, Read(out, buf, CurrentPosition), unix.EBADF, hwcq.StatusLocQPOpErr)
		fails(t, r, Write(in, buf, CurrentPosition), unix.EBADF, hwcq.StatusLocQPOpErr)
		fails(t, r, Read(1<<20, buf, 0), unix.EBADF, hwcq.StatusLocQPOpErr)
		fails(t, r, Read(dir, buf, 0), unix.EISDIR, hwcq.StatusGeneralErr)
		fails(t, r, Read(fd, nowhere, 0), unix.EFAULT, hwcq.StatusLocProtErr)
		fails(t, r, Write(fd, nowhere, 0), unix.EFAULT, hwcq.StatusLocProtErr)
		fails(t, r, Fsync(in, false), unix.EINVAL, hwcq.StatusLocQPOpErr)
		fails(t, r, Recv(fd, buf, 0), unix.ENOTSOCK, hwcq.StatusLocQPOpErr)
	})
}

func TestPipeWaitsForData(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		in, out := pipe(t)
		buf, err := r.Alloc(16)
		require.NoError(t, err)
		submit(t, r, with(1, Read(in, buf, CurrentPosition)))
		require.Zero(t, r.Poll(make([]hwcq.WC, 1)))
		require.Equal(t, 4, succeedsBeside(t, r, with(2, Write(out, []byte("data"), CurrentPosition)), 1))
		require.Equal(t, "data", string(buf[:4]))
		submit(t, r, with(3, Read(in, buf, CurrentPosition)))
		require.NoError(t, unix.Close(out))
		n, err := Result(collect(t, r, 1)[0])
		require.NoError(t, err)
		require.Zero(t, n, "the end")
	})
}

// succeedsBeside submits q, which completes together with the request other, and
// returns the result of that.
func succeedsBeside(t testing.TB, r *Ring, q Request, other uint64) int {
	t.Helper()
	submit(t, r, q)
	m := byWRID(t, r, 2)
	_, err := Result(m[q.WRID])
	require.NoError(t, err)
	n, err := Result(m[other])
	require.NoError(t, err)
	return n
}

func TestTimeout(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		start := time.Now()
		require.Equal(t, 0, succeeds(t, r, with(1, Timeout(0))))
		require.Equal(t, 0, succeeds(t, r, with(2, Timeout(20*time.Millisecond))))
		require.GreaterOrEqual(t, time.Since(start), 20*time.Millisecond)

		// The shorter one first, so the time is what was given.
		submit(t, r, with(3, Timeout(10*time.Hour)), with(4, Timeout(1500*time.Microsecond)))
		require.EqualValues(t, 4, collect(t, r, 1)[0].WRID)
		submit(t, r, with(5, Cancel(3)))
		m := byWRID(t, r, 2)
		isFailure(t, m[3], unix.ECANCELED, hwcq.StatusWRFlushErr)
		require.Equal(t, hwcq.WC{WRID: 5, Opcode: OpAsyncCancel.Opcode()}, m[5])
	})
}

func TestCancel(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		a, _ := pipe(t)
		b, bw := pipe(t)
		buf, err := r.Alloc(64)
		require.NoError(t, err)
		wait := func(wrid uint64, fd int) Request { return with(wrid, Read(fd, buf[:8], CurrentPosition)) }

		fails(t, r, with(7, Cancel(7)), unix.ENOENT, hwcq.StatusGeneralErr) // it never means itself
		submit(t, r, wait(1, a), wait(2, a), wait(3, b))
		submit(t, r, with(9, Cancel(2)))
		m := byWRID(t, r, 2)
		isFailure(t, m[2], unix.ECANCELED, hwcq.StatusWRFlushErr)
		require.Equal(t, hwcq.WC{WRID: 9, Opcode: OpAsyncCancel.Opcode()}, m[9])

		submit(t, r, wait(4, a), with(9, CancelFD(a)))
		m = byWRID(t, r, 3)
		isFailure(t, m[1], unix.ECANCELED, hwcq.StatusWRFlushErr)
		isFailure(t, m[4], unix.ECANCELED, hwcq.StatusWRFlushErr)
		require.EqualValues(t, 2, m[9].ByteLen, "how many")
		require.Equal(t, 0, succeeds(t, r, CancelFD(a)), "none left")

		submit(t, r, with(5, PollAdd(a, unix.POLLIN)), with(9, CancelAll()))
		m = byWRID(t, r, 3)
		isFailure(t, m[3], unix.ECANCELED, hwcq.StatusWRFlushErr)
		isFailure(t, m[5], unix.ECANCELED, hwcq.StatusWRFlushErr)
		require.EqualValues(t, 2, m[9].ByteLen)
		require.Equal(t, 0, succeeds(t, r, CancelAll()))

		// What has completed cannot be cancelled, though nobody has polled it yet.
		submit(t, r, wait(6, b))
		_, err = unix.Write(bw, []byte("x"))
		require.NoError(t, err)
		got := collect(t, r, 1)
		require.EqualValues(t, 1, got[0].ByteLen)
		fails(t, r, Cancel(6), unix.ENOENT, hwcq.StatusGeneralErr)
	})
}

func TestLinks(t *testing.T) {
	link := func(l Link, q Request) Request {
		q.Link = l
		return q
	}
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		fd := tempFile(t, "")
		buf := make([]byte, 16)
		for _, l := range []Link{LinkNext, LinkHard} {
			text := fmt.Sprintf("in order %d", l)
			submit(t, r, link(l, with(1, Write(fd, []byte(text), 0))), link(l, with(2, Fsync(fd, false))), with(3, Read(fd, buf[:len(text)], 0)))
			for i, wc := range collect(t, r, 3) {
				require.EqualValues(t, i+1, wc.WRID)
				require.Equal(t, hwcq.StatusSuccess, wc.Status)
			}
			require.Equal(t, text, string(buf[:len(text)]))
		}

		// A failure flushes the rest, and no request of another chain.
		submit(t, r, link(LinkNext, with(1, Nop())), link(LinkNext, with(2, Read(1<<20, buf, 0))),
			link(LinkNext, with(3, Nop())), with(4, Nop()), with(5, Nop()))
		m := byWRID(t, r, 5)
		require.Equal(t, hwcq.StatusSuccess, m[1].Status)
		isFailure(t, m[2], unix.EBADF, hwcq.StatusLocQPOpErr)
		isFailure(t, m[3], unix.ECANCELED, hwcq.StatusWRFlushErr)
		isFailure(t, m[4], unix.ECANCELED, hwcq.StatusWRFlushErr)
		require.Equal(t, hwcq.StatusSuccess, m[5].Status)

		// So does a short read, which itself succeeds.
		submit(t, r, link(LinkNext, with(1, Read(fd, buf, 5))), with(2, Nop()))
		m = byWRID(t, r, 2)
		require.EqualValues(t, 5, m[1].ByteLen)
		isFailure(t, m[2], unix.ECANCELED, hwcq.StatusWRFlushErr)

		// A hard link holds.
		submit(t, r, link(LinkHard, with(1, Read(1<<20, buf, 0))), with(2, Nop()))
		got := collect(t, r, 2)
		isFailure(t, got[0], unix.EBADF, hwcq.StatusLocQPOpErr)
		require.Equal(t, hwcq.WC{WRID: 2, Opcode: OpNop.Opcode()}, got[1])
	})
}

func TestLinkTimeout(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		in, out := pipe(t)
		buf, err := r.Alloc(16)
		require.NoError(t, err)
		read := with(1, Read(in, buf, CurrentPosition))
		read.Link = LinkNext

		submit(t, r, read, with(2, LinkTimeout(5*time.Millisecond)))
		m := byWRID(t, r, 2)
		isFailure(t, m[1], unix.ECANCELED, hwcq.StatusWRFlushErr)
		require.Equal(t, hwcq.WC{WRID: 2, Opcode: OpLinkTimeout.Opcode()}, m[2], "the time was up")

		submit(t, r, read, with(2, LinkTimeout(10*time.Hour)))
		_, err = unix.Write(out, []byte("abc"))
		require.NoError(t, err)
		m = byWRID(t, r, 2)
		require.EqualValues(t, 3, m[1].ByteLen)
		isFailure(t, m[2], unix.ECANCELED, hwcq.StatusWRFlushErr)

		fails(t, r, LinkTimeout(time.Hour), unix.EINVAL, hwcq.StatusLocQPOpErr) // linked to nothing
	})
}

func TestAsync(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		q := with(1, Nop())
		q.Async = true
		require.Equal(t, 0, succeeds(t, r, q))
		buf := make([]byte, 8)
		q = with(2, Read(tempFile(t, "text"), buf, 0))
		q.Async = true
		require.Equal(t, 4, succeeds(t, r, q))
	})
}

func TestMsgRing(t *testing.T) {
	to := map[string]func(t *testing.T) *Ring{
		"portable": func(t *testing.T) *Ring { return open(t, Config{}) },
		"owner":    func(t *testing.T) *Ring { return openOwned(t, Config{}) },
		"itself":   nil,
	}
	for name, make := range to {
		t.Run(name, func(t *testing.T) {
			shapes(t, Config{}, func(t *testing.T, r *Ring) {
				other := r
				if make != nil {
					other = make(t)
				}
				const wrid = 1<<63 - 1
				q, err := MsgRing(other, wrid, 1<<31-1)
				require.NoError(t, err)
				q.WRID = 5
				submit(t, r, q)
				sent, message := hwcq.WC{WRID: 5, Opcode: OpMsgRing.Opcode()}, hwcq.WC{WRID: wrid, Opcode: OpMsgRing.Opcode(), ByteLen: 1<<31 - 1}
				if other == r {
					m := byWRID(t, r, 2)
					require.Equal(t, sent, m[5])
					require.Equal(t, message, m[wrid])
					return
				}
				require.Equal(t, sent, collect(t, r, 1)[0])
				require.Equal(t, message, collect(t, other, 1)[0])
				require.Zero(t, other.Stats().Strange)
				require.Zero(t, other.Stats().InFlight)
			})
		})
	}
}

func TestMsgRingToUnboundOwner(t *testing.T) {
	unbound := open(t, Config{Shape: Owner})
	r := open(t, Config{})
	q, err := MsgRing(unbound, 1, 1)
	require.NoError(t, err)
	wc := one(t, r, q)
	if wc.Status == hwcq.StatusSuccess { // before Linux 6.2
		require.EqualValues(t, 1, collect(t, unbound, 1)[0].WRID)
		return
	}
	isFailure(t, wc, unix.EBADFD, hwcq.StatusGeneralErr)
}

func TestMsgRingToClosed(t *testing.T) {
	to, err := Open(Config{Entries: 1})
	need(t, err)
	require.NoError(t, to.Close())
	_, err = MsgRing(to, 1, 0)
	require.ErrorIs(t, err, hwcq.ErrClosed)
	require.ErrorContains(t, err, "MsgRing")
}
