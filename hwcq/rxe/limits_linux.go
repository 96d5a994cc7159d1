//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// bound is a number that a caller gave and the device's limit for it, an
// attribute of DeviceAttr.
type bound struct {
	name  string
	v     int
	attr  string
	limit int
}

// within holds numbers against the device's limits.
func (d *Device) within(op string, bounds ...bound) error {
	var errs []error
	for _, b := range bounds {
		if b.v > b.limit {
			errs = append(errs, param.Invalid(op, b.name, b.v, fmt.Sprintf("at most %d, %s of %s", b.limit, b.attr, d.info.Name)))
		}
	}
	return errors.Join(errs...)
}

// explain adds to the error of a command what is exhausted, where that can be
// told, how much of it there is, and how to get more.
func (d *Device) explain(cmd uint32, err error) error {
	if cmd == cmdRegMR {
		switch {
		case errors.Is(err, unix.ENOMEM):
			return fmt.Errorf("%w: this process may have %s bytes pinned: register less, raise it (ulimit -l, memlock in limits.conf, LimitMEMLOCK of systemd), or have CAP_IPC_LOCK", err, rlimit("RLIMIT_MEMLOCK", unix.RLIMIT_MEMLOCK))
		case errors.Is(err, unix.EFAULT):
			return fmt.Errorf("%w: the memory is not mapped, or not writable and access has LocalWrite", err)
		}
	}
	if cmd == cmdDeregMR && errors.Is(err, unix.EINVAL) { // rxe_dereg_mr in rxe_verbs.c, 6.1: rxe_mr.c
		return fmt.Errorf("%w: a memory window is bound to it: %w", hwcq.ErrBusy, err)
	}
	if cmd == cmdModifyQP || cmd == cmdCreateAH { // what the way to the peer fails with
		switch {
		case errors.Is(err, unix.ETIMEDOUT):
			return fmt.Errorf("%w: the peer's address, or the router's, does not answer (ARP, neighbour discovery)", err)
		case errors.Is(err, unix.ENETUNREACH), errors.Is(err, unix.EHOSTUNREACH), errors.Is(err, unix.ENODEV):
			return fmt.Errorf("%w: there is no route to the peer's address from the local one, or its interface is down", err)
		}
	}
	name, limit := d.objectLimit(cmd)
	switch {
	case name == "":
	case errors.Is(err, unix.ENOMEM), errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%w: the kernel has no memory left, or %s no more of its %s = %d, which are for all processes together", err, d.info.Name, name, limit)
	case errors.Is(err, unix.EINVAL): // what rxe_pool.c has for it
		return fmt.Errorf("%w: refused as it is, or %s has no more of its %s = %d, which are for all processes together", err, d.info.Name, name, limit)
	}
	return err
}

// objectLimit is the attribute of DeviceAttr that limits how often cmd can
// succeed.
func (d *Device) objectLimit(cmd uint32) (attr string, limit int) {
	switch l := &d.limits; cmd {
	case cmdAllocPD:
		return "MaxPD", l.MaxPD
	case cmdRegMR:
		return "MaxMR", l.MaxMR
	case cmdAllocMW:
		return "MaxMW", l.MaxMW
	case cmdCreateCQ:
		return "MaxCQ", l.MaxCQ
	case cmdCreateQP:
		return "MaxQP", l.MaxQP
	case cmdCreateSRQ:
		return "MaxSRQ", l.MaxSRQ
	case cmdCreateAH:
		return "MaxAH", l.MaxAH
	}
	return "", 0
}

// tooManyFiles says what to do about EMFILE.
func tooManyFiles(err error) error {
	return fmt.Errorf("%w: this process may have %s files open: raise it (ulimit -n)", err, rlimit("RLIMIT_NOFILE", unix.RLIMIT_NOFILE))
}

// rlimit names a limit of this process and its value.
func rlimit(name string, what int) string {
	var l unix.Rlimit
	switch err := unix.Getrlimit(what, &l); {
	case err != nil:
		return name + " (unknown)"
	case l.Cur == unix.RLIM_INFINITY:
		return name + " (unlimited)"
	}
	return fmt.Sprintf("%s = %d", name, l.Cur)
}
