//go:build linux && (amd64 || arm64)

package uring

import (
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/mapped"
)

func TestBufRingLayout(t *testing.T) {
	require.EqualValues(t, 16, bufEntrySize)
	require.EqualValues(t, 40, unsafe.Sizeof(bufReg{}))
	p, err := mapped.Anon(64)
	require.NoError(t, err)
	defer func() { require.NoError(t, p.Unmap()) }()
	r := newBufRing(p, 4)
	mem := p.Bytes()
	tail := func() uint16 { return binary.LittleEndian.Uint16(mem[14:]) }
	id := func(i int) uint16 { return binary.LittleEndian.Uint16(mem[16*i+12:]) }
	r.put(0x1111, 10, 0xa000)
	r.put(0x2222, 20, 0xb000)
	require.Zero(t, tail(), "not yet")
	r.publish()
	require.EqualValues(t, 2, tail())
	require.EqualValues(t, 0xa000, id(0))
	require.EqualValues(t, 0xb000, id(1))
	require.EqualValues(t, 0x2222, binary.LittleEndian.Uint64(mem[16:]))
	require.EqualValues(t, 20, binary.LittleEndian.Uint32(mem[24:]))
	for i := range 1<<16 - 3 { // round to the last tail before it wraps
		r.put(uint64(i), 1, uint16(i))
		r.publish()
	}
	require.EqualValues(t, 1<<16-1, tail())
	r.put(0x3333, 30, 0xc000)
	r.publish()
	require.Zero(t, tail(), "it wraps")
	require.EqualValues(t, 0xc000, id(3))
	r.put(0x4444, 40, 0xd000)
	r.publish()
	require.EqualValues(t, 1, tail())
	require.EqualValues(t, 0xd000, id(0))
	require.EqualValues(t, 0x4444, binary.LittleEndian.Uint64(mem))
}
