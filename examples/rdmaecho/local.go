package main

import (
	"errors"
	"sync"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/rxe"
)

// messageSize is the longest message, in bytes. A longer one breaks its connection.
const messageSize = 4096

// local is what either side needs of this host.
type local struct {
	engine *engine.Engine
	dev    *rxe.Device
	cm     *conn.CM
	cq     *rxe.CQ
	pd     *rxe.PD
	buf    *rxe.Buffer
	mr     *rxe.MR
	undo   []func() error // in the order in which they were made
	once   sync.Once
	err    error
}

// open opens everything, with memory for n messages. conns is how to close the
// connections: between the engine, which knows them, and what they use.
func (l *local) open(n int, conns func() error) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, l.close())
		}
	}()
	keep := func(f func() error) { l.undo = append(l.undo, f) }
	if l.dev, err = rxe.Open(rxe.Config{}); err != nil {
		return err
	}
	keep(l.dev.Close)
	if l.pd, err = l.dev.OpenPD(); err != nil {
		return err
	}
	keep(l.pd.Close)
	if l.buf, err = rxe.OpenBuffer(n * messageSize); err != nil {
		return err
	}
	keep(l.buf.Close)
	if l.mr, err = l.pd.Reg(l.buf, rxe.LocalWrite); err != nil {
		return err
	}
	keep(l.mr.Close)
	if l.cq, err = l.dev.OpenCQ(rxe.CQConfig{Depth: 2 * n}); err != nil { // each is received, or sent
		return err
	}
	keep(l.cq.Close)
	if l.cm, err = conn.OpenCM(l.dev); err != nil {
		return err
	}
	keep(l.cm.Close)
	keep(conns)
	if l.engine, err = engine.New(engine.Config{}); err != nil {
		return err
	}
	keep(l.engine.Close)
	return nil
}

// close undoes what open and others did, the last first.
func (l *local) close() error {
	l.once.Do(func() {
		for i := len(l.undo) - 1; i >= 0; i-- {
			l.err = errors.Join(l.err, l.undo[i]())
		}
	})
	return l.err
}

// sge is the place of message i, of n bytes.
func (l *local) sge(i, n int) []rxe.SGE { return []rxe.SGE{l.mr.SGE(i*messageSize, n)} }
