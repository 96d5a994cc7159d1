package bench

import (
	"errors"
	"fmt"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/hwcq/verbs"
)

// rdmaDevice is an RDMA device of either driver: in it everything goes to one
// CQ, and all memory is one region.
//
// Concurrency: none.
type rdmaDevice interface {
	openCQ(depth int) (rdmaCQ, error)
	register(size int) (rdmaMR, error)
	memory() []byte // what was registered
	port() (rxe.PortAttr, error)
	// openQP is for after both of them.
	openQP(sends, recvs int) (rdmaQP, error)
	// close releases everything.
	close() error
}

// The drivers' own types have these methods.
type (
	rdmaCQ interface {
		hwcq.CQ
		hwcq.OverrunCounter
	}
	rdmaMR interface {
		SGE(off, length int) rxe.SGE
	}
	rdmaQP interface {
		Num() uint32
		Dest() (rxe.Dest, error)
		Connect(remote rxe.Dest, c rxe.ConnectConfig) error
		PostSend(wr *rxe.SendWR) error
		PostSends(wrs []rxe.SendWR) (int, error)
		PostRecvs(wrs []rxe.RecvWR) (int, error)
		SetError() error
	}
)

// openRDMA opens a device of the driver; name may be empty. Where there are
// only others the error matches hwcq.ErrUnavailable.
func openRDMA(driver, name string) (dev rdmaDevice, err error) {
	if driver == CQVerbs {
		var d *verbs.Device
		d, err = verbs.Open(verbs.Config{Device: name})
		dev = &verbsDevice{dev: d}
	} else {
		var d *rxe.Device
		d, err = rxe.Open(rxe.Config{Device: name})
		dev = &softDevice{dev: d}
	}
	if errors.Is(err, engine.ErrInvalid) {
		err = fmt.Errorf("bench: no device %q: %w: %v", name, hwcq.ErrUnavailable, err)
	}
	if err != nil {
		return nil, err
	}
	return dev, nil
}

// connectPair connects two queue pairs of this process to each other.
func connectPair(a, b rdmaQP, c rxe.ConnectConfig) error {
	da, err := a.Dest()
	if err != nil {
		return err
	}
	db, err := b.Dest()
	if err != nil {
		return err
	}
	return errors.Join(a.Connect(db, c), b.Connect(da, c))
}

// softDevice is soft-RoCE in pure Go.
type softDevice struct {
	dev *rxe.Device
	cq  *rxe.CQ
	pd  *rxe.PD
	buf *rxe.Buffer
}

func (d *softDevice) openCQ(depth int) (_ rdmaCQ, err error) {
	d.cq, err = d.dev.OpenCQ(rxe.CQConfig{Depth: depth})
	return d.cq, err
}

func (d *softDevice) register(size int) (_ rdmaMR, err error) {
	if d.pd, err = d.dev.OpenPD(); err != nil {
		return nil, err
	}
	if d.buf, err = rxe.OpenBuffer(size); err != nil {
		return nil, err
	}
	return d.pd.Reg(d.buf, rxe.LocalWrite)
}

func (d *softDevice) memory() []byte              { return d.buf.Bytes() }
func (d *softDevice) port() (rxe.PortAttr, error) { return d.dev.QueryPort() }

func (d *softDevice) openQP(sends, recvs int) (rdmaQP, error) {
	return d.pd.OpenQP(rxe.QPConfig{SendCQ: d.cq, SendDepth: sends, RecvDepth: recvs})
}

// close: the device's Close knows the right order.
func (d *softDevice) close() error {
	err := d.dev.Close()
	if d.buf != nil {
		err = errors.Join(err, d.buf.Close())
	}
	return err
}

// verbsDevice is any device, through libibverbs.
type verbsDevice struct {
	dev *verbs.Device
	cq  *verbs.CQ
	pd  *verbs.PD
	buf *verbs.Buffer
}

func (d *verbsDevice) openCQ(depth int) (_ rdmaCQ, err error) {
	d.cq, err = d.dev.OpenCQ(verbs.CQConfig{Depth: depth})
	return d.cq, err
}

func (d *verbsDevice) register(size int) (_ rdmaMR, err error) {
	if d.pd, err = d.dev.OpenPD(); err != nil {
		return nil, err
	}
	if d.buf, err = verbs.OpenBuffer(size); err != nil {
		return nil, err
	}
	return d.pd.Reg(d.buf, rxe.LocalWrite)
}

func (d *verbsDevice) memory() []byte              { return d.buf.Bytes() }
func (d *verbsDevice) port() (rxe.PortAttr, error) { return d.dev.QueryPort() }

func (d *verbsDevice) openQP(sends, recvs int) (rdmaQP, error) {
	return d.pd.OpenQP(verbs.QPConfig{SendCQ: d.cq, SendDepth: sends, RecvDepth: recvs})
}

func (d *verbsDevice) close() error {
	err := d.dev.Close()
	if d.buf != nil {
		err = errors.Join(err, d.buf.Close())
	}
	return err
}
