//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// hintUp says how to get a device where there is none.
const hintUp = "modprobe rdma_rxe, then rdma link add rxe0 type rxe netdev INTERFACE (evdbench rxe up does both, as root)"

// Devices lists the RDMA devices of this host, of any driver, by name.
func Devices() ([]DeviceInfo, error) {
	devs, err := listDevices(os.DirFS("/sys"))
	switch {
	case errors.Is(err, errNoVerbs):
		return nil, fmt.Errorf("rxe: %w: the kernel has no RDMA user-space interface (ib_uverbs): %s", hwcq.ErrUnavailable, hintUp)
	case err != nil:
		return nil, opError("list devices", err)
	}
	return devs, nil
}

// Open opens an rxe device. Its errors tell apart: a name that does not
// exist (param.ErrInvalid, listing those that do), no module or no device,
// no permission (both [hwcq.ErrUnavailable], the latter also
// [fs.ErrPermission]) and a device of another driver
// ([hwcq.ErrNotSupported]).
func Open(c Config) (*Device, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	devs, err := Devices()
	if err != nil {
		return nil, err
	}
	info, err := pick(devs, c.Device)
	if err != nil {
		return nil, err
	}
	return open(info, c.OnAsync)
}

// pick chooses the device called name, "" for the first of rxe.
func pick(devs []DeviceInfo, name string) (DeviceInfo, error) {
	for _, d := range devs {
		switch {
		case name == "" && d.RXE:
			return d, nil
		case name != "" && d.Name == name:
			if !d.RXE {
				return d, fmt.Errorf("rxe: %w: device %s is not driven by rdma_rxe (rxe devices: %s)", hwcq.ErrNotSupported, name, names(devs, true))
			}
			return d, nil
		}
	}
	if name != "" && len(devs) > 0 {
		return DeviceInfo{}, param.Invalid("rxe: Open", "Device", name, "one of "+names(devs, true)+", or empty for the first rxe device")
	}
	what := "rxe device"
	if name != "" {
		what = "device " + name + ", nor any other"
	}
	return DeviceInfo{}, fmt.Errorf("rxe: %w: there is no %s (RDMA devices: %s): %s", hwcq.ErrUnavailable, what, names(devs, false), hintUp)
}

func open(info DeviceInfo, onAsync func(AsyncEvent)) (*Device, error) {
	watch := newRemoval(info) // before the node is opened
	fd, err := unix.Open(info.Node, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		watch.stop()
		return nil, openError(info, err)
	}
	return newDevice(fd, info, onAsync, watch, nil)
}

// newDevice makes a device of the file fd, which it closes if that fails.
func newDevice(fd int, info DeviceInfo, onAsync func(AsyncEvent), watch *removal, kernel func([]byte) unix.Errno) (*Device, error) {
	d := &Device{
		control: control{fd: fd, kernel: kernel},
		info:    info, onAsync: onAsync, live: map[uint64]object{}, opens: newGuard(), removal: watch,
	}
	if err := d.getContext(); err != nil {
		watch.stop()
		return nil, errors.Join(err, errors.Join(d.release()...))
	}
	go watch.run(d)
	return d, nil
}

func (d *Device) getContext() error {
	var out [8]byte
	if err := d.exec("open "+d.info.Name, cmdGetContext, words(resp), out[:], nil); err != nil {
		if errors.Is(err, unix.EINVAL) { // what a wrong driver id gives
			return fmt.Errorf("%w: does another driver than rdma_rxe run %s? (%w)", err, d.info.Name, hwcq.ErrNotSupported)
		}
		return err
	}
	fd, err := ownFD("open "+d.info.Name, le.Uint32(out[:]))
	if err != nil {
		return err
	}
	n := le.Uint32(out[4:])
	if n == 0 || n > math.MaxUint16 {
		return errors.Join(fmt.Errorf("rxe: open %s: %w: %d completion vectors", d.info.Name, ErrCorrupt, n), unix.Close(fd))
	}
	d.vectors = int(n)
	if d.limits, err = d.QueryDevice(); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	d.async, err = startAsync(d, fd)
	return err
}

// ownFD takes a file descriptor that the kernel answered with. One that is not
// open is refused; one that is open and another's cannot be told.
func ownFD(op string, v uint32) (int, error) {
	fd := int(int32(v))
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return -1, fmt.Errorf("rxe: %s: %w: file descriptor %d: %w", op, ErrCorrupt, fd, err)
	}
	return fd, nil
}

// openError explains why a device node could not be opened.
func openError(info DeviceInfo, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("rxe: %w: no permission to open %s: run as root, or give your user read and write access to it: %w", hwcq.ErrUnavailable, info.Node, err)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("rxe: %w: device %s has no node %s: is udev or devtmpfs running? %w", hwcq.ErrUnavailable, info.Name, info.Node, err)
	}
	return opError("open "+info.Node, err)
}

// opError names the operation that failed and adds what its errno means here.
func opError(op string, err error) error {
	switch {
	case errors.Is(err, unix.EBUSY):
		return fmt.Errorf("rxe: %s: %w: still used by another object: %w", op, hwcq.ErrBusy, err)
	case errors.Is(err, unix.EIO):
		return fmt.Errorf("rxe: %s: %w: %w", op, hwcq.ErrRemoved, err)
	case errors.Is(err, unix.EMFILE):
		err = tooManyFiles(err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("rxe: %s: credentials changed after Open: %w", op, err)
	}
	return fmt.Errorf("rxe: %s: %w", op, err)
}
