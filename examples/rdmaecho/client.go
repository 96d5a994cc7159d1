package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
)

// Echo sends text to the server at addr and returns what comes back.
func Echo(ctx context.Context, addr, text string) (back string, err error) {
	if len(text) > messageSize {
		return "", fmt.Errorf("a text of %d bytes, at most %d", len(text), messageSize)
	}
	var l local
	var c *conn.Conn
	err = l.open(2, func() error {
		if c == nil {
			return nil
		}
		return c.Close()
	})
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	d, err := l.engine.NewEVD(engine.EVDConfig{Streams: engine.Connection | engine.DTO, CQs: []hwcq.CQ{l.cq}})
	if err != nil {
		return "", err
	}
	c, err = l.cm.Dial(addr, conn.Config{
		Engine: l.engine, PD: l.pd, QP: rxe.QPConfig{SendCQ: l.cq},
		Endpoint: engine.EndpointConfig{Recv: d, Request: d, Connect: d},
		Prepare: func(c *conn.Conn) error { // before anything can come
			return c.QP().PostRecv(&rxe.RecvWR{SGL: l.sge(0, messageSize)})
		},
	})
	if err != nil {
		return "", err
	}
	for {
		var ev [1]engine.Event
		if _, _, err := d.Wait(ctx, 1, ev[:]); err != nil {
			return "", err
		}
		switch ev := ev[0]; {
		case ev.Number == engine.Established:
			copy(l.buf.Bytes()[messageSize:], text)
			err := c.QP().PostSend(&rxe.SendWR{WRID: sent, Op: rxe.OpSend, Flags: rxe.Signaled, SGL: l.sge(1, len(text))})
			if err != nil {
				return "", err
			}
		case ev.Stream == engine.Connection: // rejected, broken, ...
			return "", errors.Join(fmt.Errorf("%s: %v", addr, ev.Number), c.Err())
		case ev.Status != hwcq.StatusSuccess:
			return "", fmt.Errorf("%s: %v", addr, ev.Status)
		case ev.WRID != sent:
			return string(l.buf.Bytes()[:ev.ByteLen]), c.Disconnect()
		}
	}
}
