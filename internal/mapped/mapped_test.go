//go:build linux

package mapped

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// One file after the other appears at the same address, and nothing of the one
// before stays.
func TestOverlay(t *testing.T) {
	page := Align(1)
	file := func(fill byte) int {
		fd, err := unix.MemfdCreate("overlay", 0)
		require.NoError(t, err)
		t.Cleanup(func() { _ = unix.Close(fd) })
		_, err = unix.Pwrite(fd, bytes.Repeat([]byte{fill}, int(3*page)), 0)
		require.NoError(t, err)
		return fd
	}
	one, two := file(1), file(2)
	p, err := Reserve(4*page - 5)
	require.NoError(t, err)
	require.Equal(t, 4*page, p.Size)
	at := p.Base
	parts := func(want ...byte) {
		t.Helper()
		for i, w := range want {
			require.Equal(t, bytes.Repeat([]byte{w}, int(page)), p.Bytes()[uintptr(i)*page:][:page], "page %d", i)
		}
	}
	parts(0, 0, 0, 0)
	require.NoError(t, p.Overlay(one, 0, 3*page))
	parts(1, 1, 1, 0)
	require.NoError(t, p.Overlay(two, int64(page), page+1))
	parts(2, 2, 0, 0)
	require.Equal(t, at, p.Base)
	require.ErrorIs(t, p.Overlay(one, 0, 4*page+1), unix.ENOMEM)
	parts(2, 2, 0, 0)
	require.NoError(t, p.Blank())
	parts(0, 0, 0, 0)
	require.NoError(t, p.Unmap())
}
