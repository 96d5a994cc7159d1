//go:build linux && (amd64 || arm64)

package uring

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

func newBuffers(t testing.TB, r *Ring, c BuffersConfig) *Buffers {
	t.Helper()
	b, err := r.NewBuffers(c)
	require.NoError(t, err)
	return b
}

// write is a write that must be whole.
func write(t testing.TB, fd int, p string) {
	t.Helper()
	n, err := unix.Write(fd, []byte(p))
	require.NoError(t, err)
	require.Equal(t, len(p), n)
}

func TestRecvBuffer(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		b := newBuffers(t, r, BuffersConfig{Group: 7, Count: 2, Size: 8})
		require.EqualValues(t, 7, b.Group())
		in, out := socketPair(t, unix.SOCK_STREAM)
		submit(t, r, with(1, RecvBuffer(in, b, 0)))
		write(t, out, "hello")
		wc := collect(t, r, 1)[0]
		require.Equal(t, hwcq.WC{WRID: 1, Opcode: hwcq.OpRecv, ByteLen: 5, Flags: FlagBuffer, Imm: wc.Imm}, wc)
		data := b.Bytes(wc.Imm, int(wc.ByteLen))
		require.Equal(t, "hello", string(data))
		require.Equal(t, 8, cap(data), "and not into the next buffer")

		// More than one buffer holds.
		write(t, out, "0123456789")
		require.Equal(t, 8, succeeds(t, r, RecvBuffer(in, b, 0)))
		// Both are out, and data is there.
		fails(t, r, with(2, RecvBuffer(in, b, 0)), unix.ENOBUFS, hwcq.StatusRNRRetryExcErr)
		require.NoError(t, b.Return(wc.Imm))
		wc = one(t, r, with(3, RecvBuffer(in, b, 0)))
		require.Equal(t, "89", string(b.Bytes(wc.Imm, int(wc.ByteLen))))
		require.NoError(t, b.Return(0, 1))

		// Neither the end nor an error keeps a buffer.
		require.NoError(t, unix.Shutdown(out, unix.SHUT_WR))
		for range 5 {
			require.Equal(t, hwcq.WC{WRID: 4, Opcode: hwcq.OpRecv}, one(t, r, with(4, RecvBuffer(in, b, 0))))
		}
		d1, _ := socketPair(t, unix.SOCK_DGRAM)
		for range 5 {
			wc := one(t, r, with(5, RecvBuffer(d1, b, unix.MSG_DONTWAIT)))
			isFailure(t, wc, unix.EAGAIN, hwcq.StatusGeneralErr)
			require.Zero(t, wc.Flags)
		}
		d2, d3 := socketPair(t, unix.SOCK_DGRAM)
		for range 5 { // an empty message: without data, but a message
			write(t, d3, "")
			require.Equal(t, 0, succeeds(t, r, RecvBuffer(d2, b, 0)))
		}
		require.ErrorIs(t, b.Return(0), param.ErrInvalid, "it is in the ring")
		require.ErrorIs(t, b.Return(1), param.ErrInvalid)
	})
}

// An error that comes with a buffer (the kernel had taken it before it failed) must not
// lose that buffer.
func TestErrorReturnsItsBuffer(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		b := newBuffers(t, r, BuffersConfig{Count: 2, Size: 8})
		for range 8 {
			listener, addr := localhost(t)
			client := socket(t, unix.AF_INET)
			require.Equal(t, 0, succeeds(t, r, connecting(t, client, addr)))
			server := succeeds(t, r, Accept(listener, unix.SOCK_CLOEXEC))
			closeLater(t, server)
			submit(t, r, with(1, RecvMulti(server, b, 0)))
			require.NoError(t, unix.SetsockoptLinger(client, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
			require.NoError(t, unix.Close(client))
			wc := collect(t, r, 1)[0]
			isFailure(t, wc, unix.ECONNRESET, hwcq.StatusRemOpErr)
			require.Zero(t, wc.Flags)
			require.NoError(t, unix.Close(listener))
		}
		in, out := socketPair(t, unix.SOCK_STREAM)
		write(t, out, "0123456789abcdef")
		for range 2 {
			require.Equal(t, 8, succeeds(t, r, RecvBuffer(in, b, 0)), "both buffers are still there")
		}
	})
}

// The same without the kernel's help: which of its releases name a buffer beside an error
// differs.
func TestNothingInABuffer(t *testing.T) {
	r := open(t, Config{})
	b := newBuffers(t, r, BuffersConfig{Group: 9, Count: 1, Size: 8})
	in, out := socketPair(t, unix.SOCK_STREAM)
	for _, res := range []int32{0, -int32(unix.ECONNRESET)} {
		write(t, out, "x")
		wc := one(t, r, RecvBuffer(in, b, 0))
		require.Equal(t, FlagBuffer, wc.Flags)
		// Say it had been this.
		wc = hwcq.WC{}
		decorate(&wc, b, res, cqeBuffer|0<<cqeBufferShift)
		require.Zero(t, wc.Flags)
		require.ErrorIs(t, b.Return(0), param.ErrInvalid, "it is back")
	}
	write(t, out, "y")
	require.Equal(t, 1, succeeds(t, r, RecvBuffer(in, b, 0)), "and is used again")

	wc := hwcq.WC{}
	decorate(&wc, b, 1, cqeBuffer|1<<cqeBufferShift)
	require.Equal(t, hwcq.WC{}, wc, "there is no such buffer")
	decorate(&wc, nil, 1, cqeBuffer)
	require.Equal(t, hwcq.WC{}, wc, "there are no buffers")
}

func TestRecvMultiExhaustion(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		b := newBuffers(t, r, BuffersConfig{Group: 3, Count: 3, Size: 4}) // a ring of 4 entries
		in, out := socketPair(t, unix.SOCK_STREAM)
		var got bytes.Buffer
		for round := range 30 {
			submit(t, r, with(1, RecvMulti(in, b, 0)))
			write(t, out, "aaaabbbbccccdd") // one buffer more than there are
			wcs := collect(t, r, 4)
			for _, wc := range wcs[:3] {
				require.Equal(t, hwcq.WC{WRID: 1, Opcode: hwcq.OpRecv, ByteLen: 4, Flags: wc.Flags, Imm: wc.Imm}, wc)
				require.Equal(t, FlagMore|FlagBuffer, wc.Flags&^FlagNonEmpty)
				got.Write(b.Bytes(wc.Imm, 4))
			}
			isFailure(t, wcs[3], unix.ENOBUFS, hwcq.StatusRNRRetryExcErr)
			require.Zero(t, wcs[3].Flags, "it has ended")
			require.Zero(t, r.Stats().InFlight)

			// In any order, at once or one by one.
			ids := [3]uint32{wcs[round%3].Imm, wcs[(round+1)%3].Imm, wcs[(round+2)%3].Imm}
			require.NoError(t, b.Return(ids[:round%4]...))
			for _, id := range ids[round%4:] {
				require.NoError(t, b.Return(id))
			}

			// Armed again it finds the rest, and then what comes.
			submit(t, r, with(2, RecvMulti(in, b, 0)))
			wc := collect(t, r, 1)[0]
			require.EqualValues(t, 2, wc.ByteLen)
			got.Write(b.Bytes(wc.Imm, 2))
			require.NoError(t, b.Return(wc.Imm))
			write(t, out, "eeee")
			wc = collect(t, r, 1)[0]
			require.Equal(t, FlagMore|FlagBuffer, wc.Flags&^FlagNonEmpty)
			got.Write(b.Bytes(wc.Imm, int(wc.ByteLen)))
			require.NoError(t, b.Return(wc.Imm))
			submit(t, r, with(3, Cancel(2)))
			m := byWRID(t, r, 2)
			isFailure(t, m[2], unix.ECANCELED, hwcq.StatusWRFlushErr)
			require.Zero(t, m[2].Flags)
		}
		require.Equal(t, bytes.Repeat([]byte("aaaabbbbccccddeeee"), 30), got.Bytes())
	})
}

func TestBuffersRefuse(t *testing.T) {
	r := open(t, Config{})
	for _, c := range []struct {
		conf BuffersConfig
		name string
	}{
		{BuffersConfig{Count: 0, Size: 1}, "Count"},
		{BuffersConfig{Count: -1, Size: 1}, "Count"},
		{BuffersConfig{Count: MaxBuffers + 1, Size: 1}, "Count"},
		{BuffersConfig{Count: 1, Size: 0}, "Size"},
		{BuffersConfig{Count: 1, Size: MaxBufferSize + 1}, "Size"},
	} {
		_, err := r.NewBuffers(c.conf)
		require.ErrorIs(t, err, param.ErrInvalid)
		require.ErrorContains(t, err, c.name)
	}
	// A great deal more than there is: four of these fill the address space, wherever
	// memory is not counted before it is used.
	var err error
	for i := range 5 {
		if _, err = r.NewBuffers(BuffersConfig{Group: uint16(10 + i), Count: MaxBuffers, Size: MaxBufferSize}); err != nil {
			break
		}
	}
	require.ErrorIs(t, err, hwcq.ErrUnavailable)
	require.ErrorIs(t, err, unix.ENOMEM)
	require.ErrorContains(t, err, "32768 buffers of 1073741824 bytes")

	b := newBuffers(t, r, BuffersConfig{Group: 1, Count: 3, Size: 8})
	_, err = r.NewBuffers(BuffersConfig{Group: 1, Count: 3, Size: 8})
	require.ErrorIs(t, err, hwcq.ErrBusy)
	require.ErrorContains(t, err, "group 1")

	require.Nil(t, b.Bytes(3, 1))
	require.Nil(t, b.Bytes(1<<32-1, 1))
	require.Nil(t, b.Bytes(0, 9))
	require.Nil(t, b.Bytes(0, -1))
	require.Len(t, b.Bytes(2, 8), 8)
	require.NoError(t, b.Return())
	for _, id := range []uint32{0, 3, 1<<32 - 1} {
		err = b.Return(id)
		require.ErrorIs(t, err, param.ErrInvalid)
		require.ErrorContains(t, err, fmt.Sprintf("id = %d", id))
	}

	in, out := socketPair(t, unix.SOCK_STREAM)
	write(t, out, "x")
	wc := one(t, r, RecvBuffer(in, b, 0))
	require.ErrorIs(t, b.Return(wc.Imm, wc.Imm), param.ErrInvalid, "twice")
	require.ErrorIs(t, b.Return(wc.Imm), param.ErrInvalid, "the first of the two was returned")

	other := open(t, Config{})
	n, err := other.Submit([]Request{Nop(), RecvBuffer(in, b, 0), Nop()})
	require.Equal(t, 1, n, "the one before it")
	require.ErrorIs(t, err, param.ErrInvalid)
	require.ErrorContains(t, err, "reqs[1]")
	require.ErrorContains(t, err, "another ring")
	collect(t, other, 1)

	require.NoError(t, b.Close())
	require.NoError(t, b.Close())
	require.ErrorIs(t, b.Return(0), hwcq.ErrClosed)
	n, err = r.Submit([]Request{RecvBuffer(in, b, 0)})
	require.Zero(t, n)
	require.ErrorIs(t, err, hwcq.ErrClosed)
	again := newBuffers(t, r, BuffersConfig{Group: 1, Count: 1, Size: 8})
	require.NoError(t, b.Close(), "it is not the group's any more")
	write(t, out, "y")
	require.Equal(t, 1, succeeds(t, r, RecvBuffer(in, again, 0)))

	require.NoError(t, r.Close())
	_, err = r.NewBuffers(BuffersConfig{Count: 1, Size: 1})
	require.ErrorIs(t, err, hwcq.ErrClosed)
	require.ErrorIs(t, again.Return(0), hwcq.ErrClosed)
	require.NoError(t, again.Close())
}

// Close of a group while a receive waits for data: it fails when data comes.
func TestBuffersCloseBesideRecv(t *testing.T) {
	shapes(t, Config{}, func(t *testing.T, r *Ring) {
		b := newBuffers(t, r, BuffersConfig{Count: 1, Size: 8})
		in, out := socketPair(t, unix.SOCK_STREAM)
		submit(t, r, with(1, RecvMulti(in, b, 0)))
		require.Zero(t, r.Poll(make([]hwcq.WC, 1))) // the kernel has it
		require.NoError(t, b.Close())
		write(t, out, "x")
		wc := collect(t, r, 1)[0]
		isFailure(t, wc, unix.ENOBUFS, hwcq.StatusRNRRetryExcErr)
		require.Zero(t, wc.Flags)
	})
}

func TestBuffersThread(t *testing.T) {
	r := open(t, Config{Shape: Owner})
	before := newBuffers(t, r, BuffersConfig{Group: 1, Count: 1, Size: 8}) // before Bind, anybody
	runtime.LockOSThread()
	require.NoError(t, r.Bind())
	t.Cleanup(func() {
		require.NoError(t, r.Unbind())
		runtime.UnlockOSThread()
	})
	mine := newBuffers(t, r, BuffersConfig{Group: 2, Count: 1, Size: 8})
	errs := make(chan error)
	go func() {
		_, err := r.NewBuffers(BuffersConfig{Group: 3, Count: 1, Size: 8})
		errs <- err
		errs <- mine.Close()
	}()
	for range 2 {
		err := <-errs
		require.ErrorIs(t, err, hwcq.ErrWrongThread)
		require.ErrorIs(t, err, unix.EEXIST)
	}
	require.NoError(t, mine.Close())
	require.NoError(t, before.Close())
	newBuffers(t, r, BuffersConfig{Group: 3, Count: 1, Size: 8})
}

// Many goroutines give buffers back while the kernel fills them: every byte arrives once
// and in order, and no buffer is lost.
func TestBuffersConcurrentReturn(t *testing.T) {
	const words, count = 4_000, 8
	r := open(t, Config{})
	b := newBuffers(t, r, BuffersConfig{Count: count, Size: 64})
	in, out := socketPair(t, unix.SOCK_STREAM)
	ids := make(chan uint32, count)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range uint64(words) {
			if _, err := unix.Write(out, binary.LittleEndian.AppendUint64(nil, i)); err != nil {
				t.Error(err)
				break
			}
		}
		if err := unix.Shutdown(out, unix.SHUT_WR); err != nil {
			t.Error(err)
		}
	})
	for range 3 {
		wg.Go(func() {
			for id := range ids {
				if err := b.Return(id); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var got []byte
	recv := with(1, RecvMulti(in, b, 0))
	submit(t, r, recv)
	wcs := make([]hwcq.WC, 4)
	for end := false; !end; {
		k := r.Poll(wcs)
		for _, wc := range wcs[:k] {
			n, err := Result(wc)
			if err != nil {
				require.ErrorIs(t, err, unix.ENOBUFS)
			} else if n > 0 {
				got = append(got, b.Bytes(wc.Imm, n)...)
				ids <- wc.Imm
			}
			end = err == nil && n == 0
			if !end && wc.Flags&FlagMore == 0 {
				submit(t, r, recv)
			}
		}
		if k == 0 {
			runtime.Gosched()
		}
	}
	close(ids)
	wg.Wait()
	require.Len(t, got, words*8)
	for i := range uint64(words) {
		require.Equal(t, i, binary.LittleEndian.Uint64(got[i*8:]))
	}
	for id := range uint32(count) {
		require.ErrorIs(t, b.Return(id), param.ErrInvalid, "all are back")
	}
}
