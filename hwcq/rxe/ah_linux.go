//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// AH is an address handle: where UD requests go. One serves any number of
// requests on all UD QPs of its PD.
//
// Concurrency: all methods from any goroutine.
// Ownership: close it before its PD, and after the requests that name it have
// completed.
type AH struct {
	pd     *PD
	id     uint64
	handle uint32
	num    uint32 // what requests name it by

	closeMu sync.Mutex
	closed  atomic.Bool // Writer: Close, under closeMu. Readers: posts
}

// OpenAH makes an address handle.
func (p *PD) OpenAH(c AHConfig) (*AH, error) {
	const op = "open AH"
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if err := p.dev.opening(op); err != nil {
		return nil, err
	}
	defer p.dev.opens.leave()
	sgid, err := p.dev.sgid(c.SGID)
	if err != nil {
		return nil, err
	}
	if err := sameKind("rxe: OpenAH", "Remote", c.Remote, sgid); err != nil {
		return nil, err
	}
	path := pathAttr{remote: c.Remote, sgid: uint8(sgid.Index), tclass: c.TrafficClass, flow: c.FlowLabel}
	if err := p.use.acquire(op); err != nil {
		return nil, err
	}
	var core [4]byte
	var driver [8]byte
	if err := p.dev.exec(op, cmdCreateAH, encCreateAH(p.handle, path), core[:], driver[:]); err != nil {
		p.use.release()
		return nil, err
	}
	a := &AH{pd: p, id: nextID.Add(1), handle: le.Uint32(core[:]), num: le.Uint32(driver[:])}
	if a.num == 0 { // before Linux 5.15: addresses stood in the requests
		err = fmt.Errorf("rxe: %s: %w: an address handle without a number", op, ErrCorrupt)
		p.use.release()
		return nil, errors.Join(err, a.drop())
	}
	p.dev.add(a.id, a)
	return a, nil
}

func (a *AH) drop() error {
	return goneIsFine(a.pd.dev.exec("close AH", cmdDestroyAH, words(nil, a.handle), nil, nil))
}

func (a *AH) closeRank() int { return rankMR }

// Close frees the handle. Requests that still name it fail, and put their QP
// in error; later ones are refused. It is idempotent.
func (a *AH) Close() error {
	a.closeMu.Lock()
	defer a.closeMu.Unlock()
	if a.closed.Load() {
		return nil
	}
	if err := a.drop(); err != nil {
		return err
	}
	a.closed.Store(true)
	a.pd.use.release()
	a.pd.dev.remove(a.id)
	return nil
}
