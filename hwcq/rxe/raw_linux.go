//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// rawCQ is a completion queue of the kernel with its mapped ring and its
// prebuilt arm commands, without any bookkeeping.
type rawCQ struct {
	handle  uint32
	ring    ring
	ringMap mapping
	cmd     hotBlock
}

// Places of the prebuilt commands in rawCQ.cmd.
const (
	armLen       = 16
	armNext      = hotFirst
	armSolicited = hotSecond
)

// makeCQ creates a CQ that raises its events, carrying user, on the channel.
func (d *Device) makeCQ(op string, user uint64, c CQConfig, channelFD int) (q rawCQ, err error) {
	if q.cmd, err = d.newHotBlock(); err != nil {
		return rawCQ{}, opError(op, err)
	}
	var core [8]byte
	var driver [mmInfoSize]byte
	in := encCreateCQ(user, uint32(c.Depth), uint32(c.Vector), int32(channelFD))
	if err := d.exec(op, cmdCreateCQ, in, core[:], driver[:]); err != nil {
		return rawCQ{}, errors.Join(err, q.cmd.Unmap())
	}
	made, err := decCreateCQ(core[:], driver[:])
	if err == nil {
		q.handle = made.handle
		q.ringMap, q.ring, err = d.mapCQRing(made, c.MaxDepth)
	}
	if err == nil && q.ring.mask != made.depth {
		err = fmt.Errorf("%w: a CQ of %d in a ring of %d slots", ErrCorrupt, made.depth, q.ring.mask+1)
	}
	if err != nil {
		_, derr := d.dropCQ(op, q.handle)
		return rawCQ{}, errors.Join(fmt.Errorf("rxe: %s: %w", op, err), derr, q.cmd.Unmap(), q.ringMap.Unmap())
	}
	q.cmd.prepare(armNext, cmdReqNotifyCQ, nil, 0, q.handle, 0)
	q.cmd.prepare(armSolicited, cmdReqNotifyCQ, nil, 0, q.handle, 1)
	return q, nil
}

// arm asks for an event.
func (q *rawCQ) arm(fd int, solicitedOnly bool) unix.Errno {
	off := uintptr(armNext)
	if solicitedOnly {
		off = armSolicited
	}
	return q.cmd.call(fd, off, armLen)
}

// dropCQ destroys a CQ of the kernel and returns how many of its events were
// read; those still in the channel are gone.
func (d *Device) dropCQ(op string, handle uint32) (read uint32, err error) {
	var out [8]byte
	err = d.exec(op, cmdDestroyCQ, words(resp, handle, 0), out[:], nil)
	return le.Uint32(out[:]), goneIsFine(err)
}

// mapRing maps a queue and checks it.
func (d *Device) mapRing(mi mmInfo, elem uintptr) (mapping, ring, error) {
	m, err := d.mapQueue(mi)
	if err != nil {
		return mapping{}, ring{}, err
	}
	r, err := newRing(m.Base, uintptr(mi.size), elem)
	if err != nil {
		return mapping{}, ring{}, errors.Join(err, m.Unmap())
	}
	return m, r, nil
}

// modifySRQ changes an SRQ. The kernel writes where the new queue can be
// mapped to an address that the command carries as driver input.
func (d *Device) modifySRQ(op string, handle, mask, depth, limit uint32) (mi mmInfo, err error) {
	err = d.command(op, func(b ioctlBuf) error {
		answer := b.Bytes()[ioDrvOff:][:mmInfoSize]
		clear(answer)
		b.begin(methodInvoke)
		b.attr(attrWriteCmd, 8, cmdModifySRQ)
		b.in(attrCoreIn, words(nil, handle, mask, depth, limit))
		b.attr(attrDriverIn, 8, b.Addr()+ioDrvOff)
		if err := b.run(d.fd); err != nil {
			return opError(op, err)
		}
		mi = getMMInfo(answer)
		return nil
	})
	return mi, err
}

// rawQP is a queue pair of the kernel with its mapped queues and its
// prebuilt doorbell, without any bookkeeping.
type rawQP struct {
	handle uint32
	qpn    uint32
	inline int
	fd     int // of the device
	cmd    hotBlock
	send   producer
	recv   producer
	maps   [2]mapping
}

// doorbellLen is POST_SEND with its header: the request itself is in the
// mapped queue. Its answer, 4 bytes, goes to doorbellOut in the same page.
const (
	doorbellLen = 32
	doorbellOut = 64
)

// makeQP fills q with a new QP in state INIT.
func (d *Device) makeQP(op string, q *rawQP, user uint64, pd, scq, rcq uint32, c QPConfig) error {
	block, err := d.newHotBlock()
	if err != nil {
		return opError(op, err)
	}
	q.cmd, q.fd = block, d.fd
	var core [32]byte
	var driver [2 * mmInfoSize]byte
	if err := d.exec(op, cmdCreateQP, encCreateQP(user, pd, scq, rcq, c), core[:], driver[:]); err != nil {
		return errors.Join(err, q.cmd.Unmap())
	}
	made, err := decCreateQP(core[:], driver[:])
	if err == nil {
		q.handle, q.qpn, q.inline = made.handle, made.qpn, int(made.inline)
		err = q.setUp(d, made, c.SRQ == nil)
	}
	if err == nil {
		q.send.transport = c.Type
		err = q.init(d, op, c)
	}
	if err != nil {
		return errors.Join(err, q.drop(d, op))
	}
	return nil
}

func (q *rawQP) setUp(d *Device, made qpCreated, hasRecv bool) (err error) {
	if made.qpn > maxQPN {
		return fmt.Errorf("%w: QP number %#x has more than 24 bits", ErrCorrupt, made.qpn)
	}
	if hasRecv {
		recvSize := recvWQESize + sgeSize*uintptr(made.recvSGE)
		if q.maps[0], q.recv.ring, err = d.mapRing(made.rq, recvSize); err != nil {
			return fmt.Errorf("rxe: receive queue: %w", err)
		}
	}
	sendSize := sendWQESize + max(sgeSize*uintptr(made.sendSGE), uintptr(made.inline))
	if q.maps[1], q.send.ring, err = d.mapRing(made.sq, sendSize); err != nil {
		return fmt.Errorf("rxe: send queue: %w", err)
	}
	q.recv.maxSGE, q.send.maxSGE = int(made.recvSGE), int(made.sendSGE)
	// Unlike the ioctl way, write() answers at the address in the command.
	answer := []uint64{q.cmd.Addr() + doorbellOut}
	q.cmd.prepare(hotFirst, cmdPostSend, answer, 4, q.handle, 0, 0, sendWRSize)
	return nil
}

// init brings the QP from RESET to INIT.
func (q *rawQP) init(d *Device, op string, c QPConfig) error {
	m := qpModify{mask: qpState | qpPKeyIndex | qpPort, state: StateInit, access: c.Remote, qkey: c.QKey}
	if c.Type == UD {
		m.mask |= qpQKey
	} else {
		m.mask |= qpAccessFlags
	}
	return q.modify(d, op, m)
}

// doorbell tells the kernel of new send requests.
func (q *rawQP) doorbell() unix.Errno { return q.cmd.call(q.fd, hotFirst, doorbellLen) }

func (q *rawQP) modify(d *Device, op string, m qpModify) error {
	m.handle = q.handle
	return d.exec(op, cmdModifyQP, m.encode(), nil, nil)
}

// drop destroys the QP and unmaps its queues.
func (q *rawQP) drop(d *Device, op string) error {
	q.send.shut()
	q.recv.shut()
	var out [4]byte
	err := goneIsFine(d.exec(op, cmdDestroyQP, words(resp, q.handle, 0), out[:], nil))
	return errors.Join(err, q.maps[0].Unmap(), q.maps[1].Unmap(), q.cmd.Unmap())
}

// goneIsFine drops the error of destroying an object whose device went first
// and took it along.
func goneIsFine(err error) error {
	if errors.Is(err, hwcq.ErrClosed) || errors.Is(err, unix.EIO) {
		return nil
	}
	return err
}
