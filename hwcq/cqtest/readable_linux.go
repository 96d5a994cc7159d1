package cqtest

import "golang.org/x/sys/unix"

// readable reports whether a read of fd would not block.
func readable(fd int) bool {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds[:], 0)
	return n > 0 && err == nil && fds[0].Revents&unix.POLLIN != 0
}
