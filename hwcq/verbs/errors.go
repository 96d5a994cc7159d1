//go:build verbs && cgo && linux

package verbs

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/evdengine/evd/hwcq"
)

// hintUp says how to get a device where there is none.
const hintUp = "a NIC needs its kernel driver and rdma-core's provider (Debian: ibverbs-providers); soft-RoCE: modprobe rdma_rxe, then rdma link add rxe0 type rxe netdev INTERFACE"

// openError explains why libibverbs or a device cannot be used.
func openError(op string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("verbs: %s: %w: no permission: run as root, or give your user read and write access to the device: %w", op, hwcq.ErrUnavailable, err)
	case errors.Is(err, syscall.ENOSYS), errors.Is(err, syscall.ENOENT):
		return fmt.Errorf("verbs: %s: %w: the kernel has no RDMA user-space interface (ib_uverbs): %s: %w", op, hwcq.ErrUnavailable, hintUp, err)
	case errors.Is(err, syscall.ENODEV):
		return fmt.Errorf("verbs: %s: %w: the device is gone: %w", op, hwcq.ErrUnavailable, err)
	}
	return fmt.Errorf("verbs: %s: %w", op, err)
}

// opError names the operation that failed and adds what its errno means here.
func opError(op string, err error) error {
	switch {
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("verbs: %s: %w: still used by another object: %w", op, hwcq.ErrBusy, err)
	case errors.Is(err, syscall.EIO): // not ENODEV: that is also a peer without a way to it
		return fmt.Errorf("verbs: %s: %w: the device is gone: %w", op, hwcq.ErrRemoved, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("verbs: %s: credentials changed after Open: %w", op, err)
	case errors.Is(err, syscall.EOPNOTSUPP), errors.Is(err, syscall.ENOSYS):
		return fmt.Errorf("verbs: %s: %w: %w", op, hwcq.ErrNotSupported, err)
	}
	return fmt.Errorf("verbs: %s: %w", op, err)
}

// isBusy tells whether an object could not be closed yet.
func isBusy(err error) bool { return errors.Is(err, hwcq.ErrBusy) }
