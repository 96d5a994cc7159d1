package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// rdmaLink is a link over soft-RoCE, or what libibverbs has.
type rdmaLink struct {
	dev  rdmaDevice
	c    rdmaCQ
	qp   rdmaQP
	mem  []byte
	size int
	// Requests made once, each for its slot; only their WRIDs change.
	send []rxe.SendWR
	recv []rxe.RecvWR
}

func openRDMALink(c linkConfig) (_ link, err error) {
	dev, err := openRDMA(c.driver, c.dev)
	if err != nil {
		return nil, err
	}
	l := &rdmaLink{dev: dev, size: c.size}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.c, err = dev.openCQ(c.depth); err != nil {
		return nil, err
	}
	mr, err := dev.register((c.sends + c.recvs) * c.size)
	if err != nil {
		return nil, err
	}
	l.mem = dev.memory()
	if l.qp, err = dev.openQP(c.sends, c.recvs); err != nil {
		return nil, err
	}
	for i := range c.sends {
		l.send = append(l.send, rxe.SendWR{Op: rxe.OpSend, Flags: rxe.Signaled, SGL: []rxe.SGE{mr.SGE(i*c.size, c.size)}})
	}
	for i := range c.recvs {
		l.recv = append(l.recv, rxe.RecvWR{SGL: []rxe.SGE{mr.SGE((c.sends+i)*c.size, c.size)}})
	}
	return l, nil
}

func (l *rdmaLink) cq() hwcq.CQ   { return l.c }
func (l *rdmaLink) qpNum() uint32 { return l.qp.Num() }

func (l *rdmaLink) address() (Address, error) {
	d, err := l.qp.Dest()
	if err != nil {
		return Address{}, err
	}
	p, err := l.dev.port()
	return Address{LID: d.LID, QPN: d.QPN, PSN: d.PSN, GID: d.GID.String(), MTU: p.ActiveMTU}, err
}

func (l *rdmaLink) connect(peer Address, ack time.Duration, retries int) error {
	ip, err := netip.ParseAddr(peer.GID)
	if err != nil {
		return fmt.Errorf("bench: the peer's GID %q is no IPv6 address", peer.GID)
	}
	own, err := l.dev.port()
	if err != nil {
		return err
	}
	dest := rxe.Dest{LID: peer.LID, QPN: peer.QPN, PSN: peer.PSN, GID: ip.As16()}
	return l.qp.Connect(dest, rxe.ConnectConfig{MTU: min(own.ActiveMTU, peer.MTU), AckTimeout: ack, Retries: retries})
}

func (l *rdmaLink) sendSlot(i int) []byte { return l.mem[i*l.size:][:l.size] }
func (l *rdmaLink) recvSlot(i int) []byte { return l.mem[(len(l.send)+i)*l.size:][:l.size] }

func (l *rdmaLink) postSends(first, n int, wrid uint64) (int, error) {
	wrs := l.send[first : first+n]
	for i := range wrs {
		wrs[i].WRID = wrid + uint64(i)
	}
	return l.qp.PostSends(wrs)
}

func (l *rdmaLink) postRecvs(first, n int, wrid uint64) (int, error) {
	wrs := l.recv[first : first+n]
	for i := range wrs {
		wrs[i].WRID = wrid + uint64(i)
	}
	return l.qp.PostRecvs(wrs)
}

func (l *rdmaLink) setError() error  { return l.qp.SetError() }
func (l *rdmaLink) overruns() uint64 { return l.c.Overruns() }

// close releases everything.
func (l *rdmaLink) close() error { return l.dev.close() }
