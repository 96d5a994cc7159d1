package bench

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// rxeLink is a link over soft-RoCE.
type rxeLink struct {
	dev  *rxe.Device
	c    *rxe.CQ
	qp   *rxe.QP
	buf  *rxe.Buffer
	size int
	// Requests made once, each for its slot; only their WRIDs change.
	send []rxe.SendWR
	recv []rxe.RecvWR
}

func openRXELink(c linkConfig) (_ link, err error) {
	l := &rxeLink{size: c.size}
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	if l.dev, err = rxe.Open(rxe.Config{Device: c.dev}); err != nil {
		if errors.Is(err, engine.ErrInvalid) { // there are others
			err = fmt.Errorf("bench: no device %q: %w: %v", c.dev, hwcq.ErrUnavailable, err)
		}
		return nil, err
	}
	if l.c, err = l.dev.OpenCQ(rxe.CQConfig{Depth: c.depth}); err != nil {
		return nil, err
	}
	pd, err := l.dev.OpenPD()
	if err != nil {
		return nil, err
	}
	if l.buf, err = rxe.OpenBuffer((c.sends + c.recvs) * c.size); err != nil {
		return nil, err
	}
	mr, err := pd.Reg(l.buf, rxe.LocalWrite)
	if err != nil {
		return nil, err
	}
	if l.qp, err = pd.OpenQP(rxe.QPConfig{SendCQ: l.c, SendDepth: c.sends, RecvDepth: c.recvs}); err != nil {
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

func (l *rxeLink) cq() hwcq.CQ   { return l.c }
func (l *rxeLink) qpNum() uint32 { return l.qp.Num() }

func (l *rxeLink) address() (Address, error) {
	d, err := l.qp.Dest()
	if err != nil {
		return Address{}, err
	}
	p, err := l.dev.QueryPort()
	return Address{LID: d.LID, QPN: d.QPN, PSN: d.PSN, GID: d.GID.String(), MTU: p.ActiveMTU}, err
}

func (l *rxeLink) connect(peer Address, ack time.Duration, retries int) error {
	ip, err := netip.ParseAddr(peer.GID)
	if err != nil {
		return fmt.Errorf("bench: the peer's GID %q is no IPv6 address", peer.GID)
	}
	own, err := l.dev.QueryPort()
	if err != nil {
		return err
	}
	dest := rxe.Dest{LID: peer.LID, QPN: peer.QPN, PSN: peer.PSN, GID: ip.As16()}
	return l.qp.Connect(dest, rxe.ConnectConfig{MTU: min(own.ActiveMTU, peer.MTU), AckTimeout: ack, Retries: retries})
}

func (l *rxeLink) sendSlot(i int) []byte { return l.buf.Bytes()[i*l.size:][:l.size] }
func (l *rxeLink) recvSlot(i int) []byte { return l.buf.Bytes()[(len(l.send)+i)*l.size:][:l.size] }

func (l *rxeLink) postSends(first, n int, wrid uint64) (int, error) {
	wrs := l.send[first : first+n]
	for i := range wrs {
		wrs[i].WRID = wrid + uint64(i)
	}
	return l.qp.PostSends(wrs)
}

func (l *rxeLink) postRecvs(first, n int, wrid uint64) (int, error) {
	wrs := l.recv[first : first+n]
	for i := range wrs {
		wrs[i].WRID = wrid + uint64(i)
	}
	return l.qp.PostRecvs(wrs)
}

func (l *rxeLink) setError() error  { return l.qp.SetError() }
func (l *rxeLink) overruns() uint64 { return l.c.Overruns() }

// close releases everything, in the right order: the device's Close knows it.
func (l *rxeLink) close() error {
	var errs []error
	if l.dev != nil {
		errs = append(errs, l.dev.Close())
	}
	if l.buf != nil {
		errs = append(errs, l.buf.Close())
	}
	return errors.Join(errs...)
}
