//go:build verbs && cgo && linux

package verbs

// #cgo CFLAGS: -O2 -Wall -Wextra
// #cgo LDFLAGS: -libverbs
// #include <stdlib.h>
// #include "evd_verbs.h"
import "C"

import (
	"syscall"
	"unsafe"

	"github.com/evdengine/evd/hwcq/rxe"
)

// The files c_*_unsafe.go are all that touches C. Everything here is a plain
// function; who may call it when is the business of the types above.

// Objects of libibverbs.
type (
	cContext = C.struct_ibv_context
	cPD      = C.struct_ibv_pd
	cMR      = C.struct_ibv_mr
	cAsync   = C.struct_evd_async
)

// errnoOf is nil for 0. Providers return an errno with either sign.
func errnoOf(e C.int) error {
	if e == 0 {
		return nil
	}
	return syscall.Errno(max(e, -e))
}

// errnoFrom is for calls that return a pointer and set errno.
func errnoFrom(err error) error {
	if err == nil {
		return syscall.EIO // it failed and does not say why
	}
	return err
}

// listDevices is ibv_get_device_list.
func listDevices() ([]DeviceInfo, error) {
	for room := 16; ; {
		out := make([]C.struct_evd_device, room)
		var n C.int
		if err := errnoOf(C.evd_devices(&out[0], C.int(room), &n)); err != nil {
			return nil, err
		}
		if int(n) > room {
			room = int(n)
			continue
		}
		devs := make([]DeviceInfo, n)
		for i := range devs {
			devs[i] = DeviceInfo{Name: C.GoString(&out[i].name[0]), Node: C.GoString(&out[i].node[0])}
		}
		return devs, nil
	}
}

func openContext(name string) (ctx *cContext, err error) {
	s := C.CString(name)
	defer C.free(unsafe.Pointer(s))
	err = errnoOf(C.evd_open(s, &ctx))
	return ctx, err
}

func closeContext(c *cContext) error { return errnoOf(C.ibv_close_device(c)) }

func asyncFD(c *cContext) int { return int(c.async_fd) }

func vectors(c *cContext) int { return int(c.num_comp_vectors) }

// nonblocking makes fd so, and closed on exec.
func nonblocking(fd int) error { return errnoOf(C.evd_nonblocking(C.int(fd))) }

// asyncEvent takes an asynchronous event and acknowledges it. EAGAIN: there is
// none.
func asyncEvent(c *cContext, out *cAsync) error { return errnoOf(C.evd_async_event(c, out)) }

// What an asynchronous event is about.
const (
	asyncDevice = C.EVD_ASYNC_DEVICE
	asyncCQ     = C.EVD_ASYNC_CQ
	asyncQP     = C.EVD_ASYNC_QP
	asyncPort   = C.EVD_ASYNC_PORT
)

func queryDevice(c *cContext) (rxe.DeviceAttr, error) {
	var a C.struct_ibv_device_attr
	if err := errnoOf(C.ibv_query_device(c, &a)); err != nil {
		return rxe.DeviceAttr{}, err
	}
	return rxe.DeviceAttr{
		MaxQP: int(a.max_qp), MaxQPWR: int(a.max_qp_wr), MaxSGE: int(a.max_sge), MaxCQ: int(a.max_cq),
		MaxCQE: int(a.max_cqe), MaxMR: int(a.max_mr), MaxPD: int(a.max_pd),
		MaxMRSize: uint64(a.max_mr_size), MaxQPRDAtomic: int(a.max_qp_rd_atom), MaxQPInitRDAtomic: int(a.max_qp_init_rd_atom),
		MaxMW: int(a.max_mw), MaxAH: int(a.max_ah), MaxSRQ: int(a.max_srq), MaxSRQWR: int(a.max_srq_wr), MaxSRQSGE: int(a.max_srq_sge),
		Ports: int(a.phys_port_cnt),
	}, nil
}

func queryPort(c *cContext, port int) (_ rxe.PortAttr, lid uint16, err error) {
	var a C.struct_ibv_port_attr
	if err := errnoOf(C.evd_query_port(c, C.int(port), &a)); err != nil {
		return rxe.PortAttr{}, 0, err
	}
	return rxe.PortAttr{
		State: rxe.PortState(a.state), MaxMTU: mtuBytes(int(a.max_mtu)), ActiveMTU: mtuBytes(int(a.active_mtu)),
		GIDTableLen: int(a.gid_tbl_len), LinkLayer: uint8(a.link_layer),
	}, uint16(a.lid), nil
}

// queryGIDs returns the valid entries of all ports; room is how many there are
// at most.
func queryGIDs(c *cContext, room int) ([]rxe.GIDEntry, error) {
	ents := make([]C.struct_ibv_gid_entry, max(room, 1))
	n, err := C.ibv_query_gid_table(c, &ents[0], C.size_t(len(ents)), 0)
	if n < 0 {
		if err == nil {
			err = syscall.Errno(-n)
		}
		return nil, err
	}
	out := make([]rxe.GIDEntry, n)
	for i, e := range ents[:n] {
		out[i] = rxe.GIDEntry{
			GID: rxe.GID(e.gid), Index: int(e.gid_index), Port: int(e.port_num),
			Type: rxe.GIDType(e.gid_type), IfIndex: int(e.ndev_ifindex),
		}
	}
	return out, nil
}

func allocPD(c *cContext) (*cPD, error) {
	pd, err := C.ibv_alloc_pd(c)
	if pd == nil {
		return nil, errnoFrom(err)
	}
	return pd, nil
}

func deallocPD(pd *cPD) error { return errnoOf(C.ibv_dealloc_pd(pd)) }

// regMR registers memory, which must stay where it is until deregMR.
func regMR(pd *cPD, b []byte, access rxe.Access) (mr *cMR, err error) {
	p := unsafe.Pointer(unsafe.SliceData(b))
	err = errnoOf(C.evd_reg_mr(pd, p, C.size_t(len(b)), C.int(access), &mr))
	return mr, err
}

// keys are where a region is and what it is called.
func keys(mr *cMR) (addr uint64, lkey, rkey uint32) {
	return uint64(uintptr(mr.addr)), uint32(mr.lkey), uint32(mr.rkey)
}

func deregMR(mr *cMR) error { return errnoOf(C.ibv_dereg_mr(mr)) }
