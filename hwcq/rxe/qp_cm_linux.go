//go:build linux && (amd64 || arm64)

package rxe

import (
	"fmt"

	"github.com/evdengine/evd/hwcq"
)

// modify translates the attributes into the body of MODIFY_QP: the same
// things at other places.
func (a *CMAttr) modify(handle uint32) (body []byte, to State, err error) {
	state := le.Uint32(a[4:])
	if mask := le.Uint32(a[0:]); mask&qpState == 0 || state == uint32(StateReset) || state > uint32(StateErr) {
		return nil, 0, fmt.Errorf("%w: connection manager's QP attributes: mask 0x%x, state %d", ErrCorrupt, mask, state)
	}
	b := make([]byte, 112)
	putDest(b[0:32], a[40:72])
	putDest(b[32:64], a[72:104])
	le.PutUint32(b[64:], handle)
	copy(b[68:72], a[0:4])   // mask
	copy(b[72:92], a[20:40]) // qkey, rq_psn, sq_psn, dest_qp_num, access flags
	copy(b[92:96], a[124:128])
	b[96], b[97], b[98], b[99] = a[4], a[8], a[12], a[16] // state, current one, MTU, migration
	b[100] = a[128]
	copy(b[101:110], a[130:139]) // depths of reads, timers, retries, ports
	return b, State(state), nil
}

// putDest makes a struct ib_uverbs_qp_dest of a struct ib_uverbs_ah_attr.
func putDest(dst, ah []byte) {
	copy(dst[0:20], ah[0:20])   // GID, flow label
	copy(dst[20:22], ah[24:26]) // LID
	copy(dst[24:27], ah[20:23]) // source GID's index, hop limit, traffic class
	copy(dst[27:32], ah[26:31]) // service level, path bits, rate, is_global, port
}

// ApplyCM moves the QP to the state that a describes, with a's attributes:
// what QP.Connect does where the addresses come from elsewhere.
func (q *QP) ApplyCM(a *CMAttr) error {
	q.stateMu.Lock()
	defer q.stateMu.Unlock()
	if q.isClosed {
		return fmt.Errorf("rxe: connect: %w", hwcq.ErrClosed)
	}
	body, to, err := a.modify(q.handle)
	if err != nil {
		return fmt.Errorf("rxe: connect: %w", err)
	}
	if err := q.dev.exec(fmt.Sprintf("connect (to %s)", to), cmdModifyQP, body, nil, nil); err != nil {
		return err
	}
	q.state.Store(uint32(to))
	return nil
}

// Device is the device the QP belongs to.
func (q *QP) Device() *Device { return q.dev }
