package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

func (l *link) validate() error {
	var errs []error
	bad := func(name, value, allowed string) {
		errs = append(errs, param.Invalid("rxe", name, fmt.Sprintf("%q", value), allowed))
	}
	if !deviceName(l.dev, 63) {
		bad("dev", l.dev, "a name of 1..63 characters without spaces and slashes")
	}
	if !deviceName(l.netdev, unix.IFNAMSIZ-1) {
		bad("netdev", l.netdev, "a name of 1..15 characters without spaces and slashes")
	}
	if l.addr != "" {
		if _, err := netlink.ParseAddr(l.addr); err != nil {
			bad("addr", l.addr, "an address with prefix length, such as 10.99.0.1/24, or empty")
		}
	}
	return errors.Join(errs...)
}

func deviceName(s string, most int) bool {
	return s != "" && len(s) <= most && s != "." && s != ".." && !strings.ContainsAny(s, "/: \t\n")
}

// up makes what is missing. What it made before an error stays: up again
// after the cause is mended.
func (l *link) up(log io.Writer) error {
	nd, err := l.ensureNetdev(log)
	if err != nil {
		return err
	}
	if l.addr != "" {
		addr, err := netlink.ParseAddr(l.addr)
		if err != nil {
			return err
		}
		if err := netlink.AddrReplace(nd, addr); err != nil {
			return l.explain("give "+l.netdev+" the address "+l.addr, err)
		}
	}
	if err := netlink.LinkSetUp(nd); err != nil {
		return l.explain("bring "+l.netdev+" up", err)
	}
	have, err := rdmaDevice(l.dev)
	if err != nil {
		return l.explain("list RDMA devices", err)
	}
	if have {
		fmt.Fprintf(log, "evdbench: %s is there already\n", l.dev)
		return nil
	}
	if err := netlink.RdmaLinkAdd(l.dev, "rxe", l.netdev); err != nil {
		return l.explain("make the soft-RoCE device "+l.dev, err)
	}
	fmt.Fprintf(log, "evdbench: made %s on %s\n", l.dev, l.netdev)
	return nil
}

// ensureNetdev finds the network device, or makes a dummy one.
func (l *link) ensureNetdev(log io.Writer) (netlink.Link, error) {
	nd, err := netlink.LinkByName(l.netdev)
	if err == nil {
		return nd, nil
	}
	var none netlink.LinkNotFoundError
	if !errors.As(err, &none) {
		return nil, l.explain("look for "+l.netdev, err)
	}
	if !strings.HasPrefix(l.netdev, "dummy") {
		return nil, fmt.Errorf("rxe up: there is no network device %s (only one called dummy.. is made): %w", l.netdev, hwcq.ErrUnavailable)
	}
	attrs := netlink.NewLinkAttrs()
	attrs.Name = l.netdev
	if err := netlink.LinkAdd(&netlink.Dummy{LinkAttrs: attrs}); err != nil {
		return nil, l.explain("make the network device "+l.netdev, err)
	}
	fmt.Fprintf(log, "evdbench: made %s\n", l.netdev)
	return netlink.LinkByName(l.netdev)
}

// down removes the RDMA device, and the network device if it is a dummy.
func (l *link) down(log io.Writer) error {
	have, err := rdmaDevice(l.dev)
	if err != nil {
		return l.explain("list RDMA devices", err)
	}
	if have {
		if err := netlink.RdmaLinkDel(l.dev); err != nil {
			return l.explain("remove the soft-RoCE device "+l.dev, err)
		}
		fmt.Fprintf(log, "evdbench: removed %s\n", l.dev)
	}
	nd, err := netlink.LinkByName(l.netdev)
	var none netlink.LinkNotFoundError
	switch {
	case errors.As(err, &none):
		return nil
	case err != nil:
		return l.explain("look for "+l.netdev, err)
	case nd.Type() != "dummy":
		return nil
	}
	if err := netlink.LinkDel(nd); err != nil {
		return l.explain("remove the network device "+l.netdev, err)
	}
	fmt.Fprintf(log, "evdbench: removed %s\n", l.netdev)
	return nil
}

// rdmaDevice tells whether there is an RDMA device of that name, of any
// driver. sysfs answers without RDMA in the kernel, too.
func rdmaDevice(name string) (bool, error) {
	_, err := os.Stat("/sys/class/infiniband/" + name)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// explain says what an errno of netlink means here.
func (l *link) explain(what string, err error) error {
	why := ""
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		why = "this needs root (CAP_NET_ADMIN)"
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT):
		why = "the kernel has no RDMA: load ib_core and rdma_rxe (modprobe rdma_rxe)"
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOENT):
		why = "the kernel lacks the module for it (modprobe rdma_rxe, modprobe dummy)"
	default:
		return fmt.Errorf("rxe: %s: %w", what, err)
	}
	return fmt.Errorf("rxe: %s: %w: %s: %w", what, hwcq.ErrUnavailable, why, err)
}
