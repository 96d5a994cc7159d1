//go:build linux && (amd64 || arm64)

package rxe

import (
	"bytes"
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// Memory of the caller is pinned while it is registered, and not before or
// after. (A Pinner that is collected with something pinned panics.)
func TestRegBytesPins(t *testing.T) {
	d, k, err := openFake(t, nil)
	require.NoError(t, err)
	pd, err := d.OpenPD()
	require.NoError(t, err)
	for range 50 {
		b := make([]byte, 1000)
		mr, err := pd.RegBytes(b[10:20], LocalWrite)
		require.NoError(t, err)
		require.Equal(t, 10, mr.Len())
		require.Equal(t, addrOf(b)+10, mr.Addr())
		require.ErrorIs(t, pd.Close(), hwcq.ErrBusy)
		require.NoError(t, mr.Close())
		require.NoError(t, mr.Close(), "idempotent")
		_, err = pd.RegBytes(b, 1<<20)
		require.ErrorIs(t, err, param.ErrInvalid)
	}
	for range 3 {
		runtime.GC()
		runtime.Gosched()
	}
	for _, empty := range [][]byte{nil, {}, make([]byte, 5)[2:2]} {
		_, err := pd.RegBytes(empty, LocalWrite)
		require.ErrorIs(t, err, param.ErrInvalid)
		require.ErrorContains(t, err, "b = empty")
	}
	_, err = pd.RegBytes(make([]byte, 1), RemoteAtomic)
	require.ErrorContains(t, err, "rxe: RegBytes: access = 8")
	require.NoError(t, pd.Close())
	_, err = pd.RegBytes(make([]byte, 1), LocalWrite)
	require.ErrorIs(t, err, hwcq.ErrClosed)
	require.NoError(t, d.Close())
	k.gone()
}

// The device's Close lets go of what was left registered.
func TestRegBytesDeviceClose(t *testing.T) {
	d, k, err := openFake(t, nil)
	require.NoError(t, err)
	pd, err := d.OpenPD()
	require.NoError(t, err)
	mr, err := pd.RegBytes(make([]byte, 1000), LocalWrite)
	require.NoError(t, err)
	require.NoError(t, d.Close())
	require.NoError(t, mr.Close())
	require.Nil(t, mr.mem.(*pinned).b)
	k.gone()
}

func TestPiece(t *testing.T) {
	m := &MR{addr: 0x1000, length: 100, lkey: 7}
	for _, ok := range [][2]int{{0, 0}, {0, 100}, {99, 1}, {100, 0}} {
		sge, err := m.Piece(ok[0], ok[1])
		require.NoError(t, err)
		require.Equal(t, m.SGE(ok[0], ok[1]), sge)
	}
	for _, bad := range [][2]int{{-1, 0}, {101, 0}, {0, 101}, {100, 1}, {0, -1}, {1, math.MaxInt}, {math.MaxInt, 1}} {
		_, err := m.Piece(bad[0], bad[1])
		require.ErrorIs(t, err, param.ErrInvalid, "%v", bad)
	}
	_, err := (&MR{length: 1 << 40}).Piece(0, 1<<33)
	require.ErrorContains(t, err, "0..4294967295")
	require.Zero(t, testing.AllocsPerRun(100, func() { _, _ = m.Piece(1, 2) }))
}

// grow needs n levels of stack.
//
//go:noinline
func grow(n int) int {
	var pad [256]byte
	if pad[n%256] = byte(n); n == 0 {
		return int(pad[0])
	}
	return grow(n-1) + int(pad[(n+1)%256])
}

// Data goes from and to Go memory while the collector runs and stacks grow.
func TestRXEPinnedHeap(t *testing.T) {
	d := needRXE(t)
	a, b := newPair(t, d, endConfig{qp: QPConfig{Remote: RemoteWrite | RemoteRead}}, ConnectConfig{})
	const size = 5000 // no whole number of pages, nor of size classes
	src, dst := make([]byte, size), make([]byte, size)
	from, err := a.pd.RegBytes(src, LocalWrite)
	require.NoError(t, err)
	to, err := b.pd.RegBytes(dst, LocalWrite|RemoteWrite|RemoteRead)
	require.NoError(t, err)

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		var keep [][]byte
		for {
			select {
			case <-stop:
				return
			default:
			}
			keep = append(keep[:len(keep)%64], make([]byte, size))
			grown := make(chan int)
			go func() { grown <- grow(200) }()
			<-grown
			runtime.GC()
		}
	}()
	for i := range 40 {
		for j := range src {
			src[j] = byte(i + j*7)
		}
		require.NoError(t, b.qp.PostRecv(&RecvWR{WRID: 1, SGL: []SGE{to.SGE(0, size)}}))
		op, other := OpSend, 1
		if i%2 == 1 {
			op, other = OpWrite, 0
		}
		require.NoError(t, a.qp.PostSend(&SendWR{
			WRID: 2, Op: op, Flags: Signaled, SGL: []SGE{from.SGE(0, size)}, RemoteAddr: to.Addr(), RKey: to.RKey(),
		}))
		require.Equal(t, hwcq.StatusSuccess, a.expect(t, 1)[0].Status)
		b.expect(t, other)
		require.True(t, bytes.Equal(src, dst), "round %d", i)
		clear(dst)
	}
	close(stop)
	<-stopped
	require.NoError(t, from.Close())
	require.NoError(t, to.Close())
	// Nobody reaches it any more.
	require.NoError(t, a.qp.PostSend(&SendWR{Op: OpWrite, SGL: []SGE{a.mr.SGE(0, 8)}, RemoteAddr: to.Addr(), RKey: to.RKey()}))
	require.Equal(t, hwcq.StatusRemAccessErr, a.expect(t, 1)[0].Status)
	require.Equal(t, make([]byte, size), dst)
}

// Memory that was mapped by the caller: shared between two mappings, so what
// the device writes into one is seen in the other.
func TestRXERegMapped(t *testing.T) {
	d := needRXE(t)
	a, b := newPair(t, d, endConfig{qp: QPConfig{Remote: RemoteWrite}}, ConnectConfig{})
	fd, err := unix.MemfdCreate("shared", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Close(fd)) }()
	require.NoError(t, unix.Ftruncate(fd, 8192))
	var views [2][]byte
	for i := range views {
		views[i], err = unix.Mmap(fd, 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(t, err)
	}
	mr, err := b.pd.RegBytes(views[0][100:5000], LocalWrite|RemoteWrite)
	require.NoError(t, err)
	msg := []byte("seen through another mapping")
	copy(a.buf.Bytes(), msg)
	require.NoError(t, a.qp.PostSend(&SendWR{
		Op: OpWrite, Flags: Signaled, SGL: []SGE{a.mr.SGE(0, len(msg))}, RemoteAddr: mr.Addr() + 4000, RKey: mr.RKey(),
	}))
	require.Equal(t, hwcq.StatusSuccess, a.expect(t, 1)[0].Status)
	require.Equal(t, msg, views[1][4100:][:len(msg)])
	require.NoError(t, mr.Close())
	for _, v := range views {
		require.NoError(t, unix.Munmap(v))
	}
}

// Memory that cannot be registered: told why.
func TestRXERegRefused(t *testing.T) {
	d := needRXE(t)
	pd, err := d.OpenPD()
	require.NoError(t, err)
	defer func() { require.NoError(t, pd.Close()) }()
	ro, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	require.NoError(t, err)
	defer func() { require.NoError(t, unix.Munmap(ro)) }()
	_, err = pd.RegBytes(ro, LocalWrite)
	require.ErrorIs(t, err, unix.EFAULT)
	require.ErrorContains(t, err, "not mapped, or not writable")
	mr, err := pd.RegBytes(ro, 0)
	require.NoError(t, err, "to be read only")
	require.NoError(t, mr.Close())

	none, err := unix.Mmap(-1, 0, 8192, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	require.NoError(t, err)
	require.NoError(t, unix.Mprotect(none[4096:], unix.PROT_NONE))
	_, err = pd.RegBytes(none, LocalWrite)
	require.ErrorIs(t, err, unix.EFAULT)
	require.NoError(t, unix.Munmap(none))
}
