//go:build linux

package engine

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// The descriptor is readable exactly while something is on the ready list.
func TestCNODescriptor(t *testing.T) {
	e := newTestEngine(t, Config{})
	c := newTestCNO(t, e, CNOConfig{})
	w := newTestWaiter(t, c)
	ds := cnoEVDs(t, c, 2)
	post(t, ds[0]) // before the descriptor is there
	fd, err := c.FD()
	require.NoError(t, err)
	again, err := c.FD()
	require.NoError(t, err)
	require.Equal(t, fd, again)
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	require.NoError(t, err)
	require.NotZero(t, flags&unix.O_NONBLOCK)
	flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	require.NoError(t, err)
	require.NotZero(t, flags&unix.FD_CLOEXEC)

	ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(ep)
	require.NoError(t, unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}))
	readable := func() bool {
		var evs [1]unix.EpollEvent
		n, err := unix.EpollWait(ep, evs[:], 0)
		require.NoError(t, err)
		return n == 1
	}
	require.True(t, readable())
	require.True(t, readable(), "it is level")
	post(t, ds[1])
	require.Same(t, ds[0], tryWait(t, w))
	require.True(t, readable(), "one is left")
	takes(t, ds[0])
	require.Same(t, ds[1], tryWait(t, w))
	require.False(t, readable())
	require.NoError(t, w.Done(ds[1]))
	require.True(t, readable(), "he has left something behind")
	require.NoError(t, ds[1].ModifyCNO(nil))
	require.False(t, readable())

	// Somebody else may wait for it, in his own loop.
	got := make(chan error)
	go func() {
		var evs [1]unix.EpollEvent
		_, err := unix.EpollWait(ep, evs[:], 60_000)
		got <- err
	}()
	post(t, ds[0])
	require.NoError(t, <-got)
	require.Same(t, ds[0], tryWait(t, w))
	require.NoError(t, ds[0].Close())
	require.NoError(t, c.Close())
	_, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	require.ErrorIs(t, err, unix.EBADF)
}
