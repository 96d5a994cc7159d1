//go:build linux && (amd64 || arm64)

package rxe

import (
	"fmt"
	"math"
	"strings"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// checkSend returns how many bytes a request moves, or why it must not reach
// the device, which would not look: see opInfo.
func (p *producer) checkSend(wr *SendWR, inline int) (uint32, error) {
	const op = "rxe: post send"
	if int(wr.Op) >= len(sendOps) || sendOps[wr.Op].on&(1<<p.transport) == 0 {
		return 0, param.Invalid(op, "Op", wr.Op, "one of "+opsOn(p.transport)+" on this "+p.transport.String()+" QP")
	}
	info := &sendOps[wr.Op]
	if wr.Flags&^(Signaled|Solicited) != 0 {
		if err := p.checkFlags(op, wr, info); err != nil {
			return 0, err
		}
	}
	var n uint32
	if wr.Flags&Inline != 0 {
		if len(wr.InlineData) > inline {
			return 0, param.Invalid(op, "InlineData", fmt.Sprintf("%d bytes", len(wr.InlineData)), fmt.Sprintf("at most %d bytes on this QP", inline))
		}
		n = uint32(len(wr.InlineData))
	} else {
		var err error
		if n, err = checkSGL(op, wr.SGL, p.maxSGE); err != nil {
			return 0, err
		}
	}
	if info.use&^(useRemote|useImm|useInvalidate) != 0 {
		if err := p.checkUse(op, wr, info, n); err != nil {
			return 0, err
		}
	}
	if p.transport == UD {
		return n, p.checkDatagram(op, wr, n)
	}
	return n, nil
}

// checkFlags checks the flags that not every request may have.
func (p *producer) checkFlags(op string, wr *SendWR, info *opInfo) error {
	switch {
	case wr.Flags&^(Fence|Signaled|Solicited|Inline) != 0:
		return param.Invalid(op, "Flags", uint32(wr.Flags), "a combination of Fence, Signaled, Solicited and Inline")
	case wr.Flags&info.no != 0:
		return param.Invalid(op, "Flags", "Inline", "without Inline for "+info.name)
	case wr.Flags&Fence != 0 && p.transport != RC:
		return param.Invalid(op, "Flags", "Fence", "without Fence on this "+p.transport.String()+" QP, which has neither reads nor atomics")
	}
	return nil
}

// checkUse checks what only some operations have.
func (p *producer) checkUse(op string, wr *SendWR, info *opInfo, n uint32) error {
	switch {
	case info.use&useAtomic != 0 && n != 8:
		return param.Invalid(op, "SGL", fmt.Sprintf("%d bytes", n), "8 bytes for "+info.name)
	case info.use&useAtomic != 0 && wr.RemoteAddr&7 != 0:
		return param.Invalid(op, "RemoteAddr", fmt.Sprintf("%#x", wr.RemoteAddr), "a multiple of 8 for "+info.name)
	case info.use&useNoData != 0 && len(wr.SGL) > 0:
		return param.Invalid(op, "SGL", fmt.Sprintf("%d pieces", len(wr.SGL)), "empty for "+info.name)
	case info.use&useBind == 0:
		return nil
	case wr.Bind == nil || wr.Bind.MW == nil || wr.Bind.MR == nil:
		return param.Invalid(op, "Bind", "nil, or without MW or MR", "set for "+info.name)
	case wr.Bind.Length == 0:
		return param.Invalid(op, "Bind.Length", 0, "1 or more bytes")
	case wr.Bind.Access&^(RemoteWrite|RemoteRead|RemoteAtomic) != 0:
		return param.Invalid(op, "Bind.Access", uint32(wr.Bind.Access), "a combination of RemoteWrite, RemoteRead and RemoteAtomic")
	}
	return wr.Bind.MW.bindOn(p.windows)
}

// checkDatagram checks the destination and the length of a UD request: rxe
// drops what is longer than a packet and calls it a success.
func (p *producer) checkDatagram(op string, wr *SendWR, n uint32) error {
	switch {
	case wr.AH == nil:
		return param.Invalid(op, "AH", "nil", "an address handle on this UD QP")
	case wr.AH.pd != p.pd:
		return param.Invalid(op, "AH", "an address handle of another PD", "one of the QP's PD")
	case wr.AH.closed.Load():
		return fmt.Errorf("%s: AH: %w", op, hwcq.ErrClosed)
	case wr.RemoteQPN > 0xffffff:
		return param.Invalid(op, "RemoteQPN", fmt.Sprintf("%#x", wr.RemoteQPN), "24 bits")
	case n > p.maxMsg:
		return param.Invalid(op, "SGL", fmt.Sprintf("%d bytes", n), fmt.Sprintf("at most %d bytes, the port's MTU, on this UD QP", p.maxMsg))
	}
	return nil
}

// opsOn lists the operations of a transport, for a message.
func opsOn(t Transport) string {
	var names []string
	for _, o := range sendOps {
		if o.on&(1<<t) != 0 {
			names = append(names, o.name)
		}
	}
	return strings.Join(names, ", ")
}

// checkSGL returns the total length of sgl.
func checkSGL(op string, sgl []SGE, maxSGE int) (uint32, error) {
	if len(sgl) > maxSGE {
		return 0, param.Invalid(op, "SGL", fmt.Sprintf("%d pieces", len(sgl)), fmt.Sprintf("at most %d pieces on this QP", maxSGE))
	}
	var sum uint64
	for i := range sgl {
		sum += uint64(sgl[i].Length)
	}
	if sum > math.MaxInt32 { // RXE_PORT_MAX_MSG_SZ is 2^31
		return 0, param.Invalid(op, "SGL", fmt.Sprintf("%d bytes", sum), "at most 2147483647 bytes")
	}
	return uint32(sum), nil
}
