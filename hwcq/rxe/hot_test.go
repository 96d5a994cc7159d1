//go:build linux && (amd64 || arm64)

package rxe

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The prebuilt ioctl says what the write() says, and what a control command would.
func TestHotBlock(t *testing.T) {
	d := &Device{}
	b, err := d.newHotBlock()
	require.NoError(t, err)
	defer b.Unmap()
	answer := b.Addr() + doorbellOut
	b.prepare(hotFirst, cmdPostSend, []uint64{answer}, 4, 7, 0, 0, sendWRSize)
	b.prepare(hotSecond, cmdReqNotifyCQ, nil, 0, 9, 1)
	p := b.Bytes()

	attr := func(off uintptr, i int) (id, length uint16, data uint64) {
		a := p[ioctlOff(off)+ioctlHdr+uintptr(i)*ioctlAttr:]
		require.EqualValues(t, attrMandatory, le.Uint16(a[4:]))
		return le.Uint16(a), le.Uint16(a[2:]), le.Uint64(a[8:])
	}
	head := func(off uintptr, attrs int) {
		h := p[ioctlOff(off):]
		require.EqualValues(t, ioctlHdr+attrs*ioctlAttr, le.Uint16(h))
		require.EqualValues(t, objDevice, le.Uint16(h[2:]))
		require.EqualValues(t, methodInvoke, le.Uint16(h[4:]))
		require.EqualValues(t, attrs, le.Uint16(h[6:]))
		require.EqualValues(t, driverRXE, le.Uint32(h[16:]))
	}
	inside := func(addr uint64, n int) []byte {
		require.GreaterOrEqual(t, addr, b.Addr())
		require.LessOrEqual(t, addr+uint64(n), b.Addr()+uint64(len(p)))
		return p[addr-b.Addr():][:n]
	}

	head(hotFirst, 3)
	id, n, cmd := attr(hotFirst, 0)
	require.EqualValues(t, []any{attrWriteCmd, 8, cmdPostSend}, []any{int(id), int(n), int(cmd)})
	id, n, in := attr(hotFirst, 1)
	require.EqualValues(t, attrCoreIn, id)
	require.Equal(t, words(resp, 7, 0, 0, sendWRSize), inside(in, int(n)))
	require.Equal(t, words([]uint64{answer}, 7, 0, 0, sendWRSize), p[cmdHdrSize:][:n], "the write()")
	id, n, out := attr(hotFirst, 2)
	require.EqualValues(t, []any{attrCoreOut, 4}, []any{int(id), int(n)})
	inside(out, 4)
	require.EqualValues(t, ioctlOff(hotFirst)+ioctlAnswer, ioctlOff(hotFirst)+ioctlHdr+2*ioctlAttr+4, "flags of the answer")

	head(hotSecond, 2)
	_, n, in = attr(hotSecond, 1)
	require.EqualValues(t, 8, n)
	require.Equal(t, le.Uint64(words(nil, 9, 1)), in, "so short that it is the attribute itself")
	require.Equal(t, words(nil, 9, 1), p[hotSecond+cmdHdrSize:][:8], "the write()")
	require.EqualValues(t, armLen, le.Uint16(p[hotSecond+4:])*4)
}
