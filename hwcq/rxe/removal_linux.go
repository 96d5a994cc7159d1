//go:build amd64 || arm64

package rxe

import (
	"errors"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// removal watches for the removal of a device ("rdma link del", "ip link del" of its
// network interface, rmmod).
//
// rxe of today cannot take an open context away (no disassociate_ucontext): the kernel
// takes the device's node away, and then waits for all who have it open to close it. It
// tells them nothing; but it tells everybody of the node. (A kernel that can take it away
// raises DEVICE_FATAL, and fails reads with EIO.)
type removal struct {
	file *os.File // a netlink socket; nil: the system does not let us listen
	node string   // below /dev
}

// ueventGroup is the multicast group of the kernel's own messages.
const ueventGroup = 1

// newRemoval listens from now on, before the node is opened.
func newRemoval(info DeviceInfo) *removal {
	w := &removal{node: strings.TrimPrefix(info.Node, "/dev/")}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return w
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: ueventGroup}); err != nil {
		_ = unix.Close(fd)
		return w
	}
	w.file = os.NewFile(uintptr(fd), "rxe-removal")
	return w
}

// run has d told.
func (w *removal) run(d *Device) {
	if w.file == nil {
		return
	}
	msg := make([]byte, 8192)
	for {
		n, err := w.file.Read(msg)
		switch {
		case errors.Is(err, unix.ENOBUFS): // some were lost
			if _, err := os.Stat("/sys/class/infiniband_verbs/" + strings.TrimPrefix(w.node, "infiniband/")); !errors.Is(err, os.ErrNotExist) {
				continue
			}
		case err != nil:
			return
		case !removes(msg[:n], w.node):
			continue
		}
		d.dispatch(asyncDesc{kind: AsyncDeviceFatal})
		return
	}
}

func (w *removal) stop() {
	if w.file != nil {
		_ = w.file.Close()
	}
}
