package conn_test

import (
	"context"
	"time"

	"github.com/evdengine/evd/conn"
	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq/rxe"
)

// What the example stands between: a device, an engine, an EVD of streams
// Connection and DTO that cq feeds.
var (
	dev   *rxe.Device
	pd    *rxe.PD
	cq    *rxe.CQ
	e     *engine.Engine
	evd   *engine.EVD
	check = func(error) {}
)

func Example() {
	cm, err := conn.OpenCM(dev) // or conn.NewExchange()
	check(err)
	defer cm.Close()
	c, err := cm.Dial("10.99.0.1:7471", conn.Config{
		Engine: e, PD: pd, QP: rxe.QPConfig{SendCQ: cq},
		Endpoint: engine.EndpointConfig{Recv: evd, Request: evd, Connect: evd, Cookie: 7},
		Prepare: func(c *conn.Conn) error { // before anything can arrive
			return c.QP().PostRecv(&rxe.RecvWR{WRID: 1})
		},
	})
	check(err)
	defer c.Close()
	// Established, Unreachable, ... come to evd with WRID 7; or wait for it:
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	check(c.Wait(ctx))
	check(c.QP().PostSend(&rxe.SendWR{WRID: 2, Op: rxe.OpSend, Flags: rxe.Signaled}))
	check(c.Disconnect()) // Disconnected, on both sides
}
