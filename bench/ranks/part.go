package ranks

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/evdengine/evd/bench"
)

// A client's connection for a flow begins with a few bytes: a mark, the flow, and the key
// of the rank that serves it, which only those know whom rank 0 has welcomed. Then it is the
// control connection of package bench.
const (
	callMark = 0x65766462 // "evdb"
	callSize = 16
)

// callOf are the bytes.
func callOf(flow int, key uint64) []byte {
	b := binary.BigEndian.AppendUint32(nil, callMark)
	b = binary.BigEndian.AppendUint32(b, uint32(flow))
	return binary.BigEndian.AppendUint64(b, key)
}

// accept takes the clients of this rank's flows.
func (g *Group) accept() {
	for {
		conn, err := g.ln.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			time.Sleep(50 * time.Millisecond)
			continue
		}
		g.ends.Go(func() {
			var b [callSize]byte
			heard := hear(conn, g.gone)
			_, err := io.ReadFull(conn, b[:])
			heard()
			flow := int(binary.BigEndian.Uint32(b[4:]))
			if to := g.calls[flow]; err == nil && to != nil && bytes.Equal(b[:], callOf(flow, g.key)) {
				select {
				case to <- conn:
					return
				default: // one client is there
				}
			}
			_ = conn.Close()
		})
	}
}

// call connects to the server of a flow.
func (g *Group) call(ctx context.Context, i int) (net.Conn, error) {
	to := g.all[g.flows[i].server]
	host := to.Addr
	if host == "" {
		host = g.host
	}
	d := net.Dialer{Timeout: g.cfg.Wait}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(to.Port)))
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(callOf(i, to.Key)); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// part is what this rank does in one measurement.
type part struct {
	ready chan struct{} // closed when all its flows are connected
	begin chan struct{} // to be closed when messages may flow
	done  chan struct{} // closed when all has ended

	mu    sync.Mutex
	sides []side // guarded by mu until done
	err   error  // guarded by mu: what kept a flow from taking place
}

func (p *part) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// start connects this rank's flows. They end with ctx.
func (g *Group) start(ctx context.Context) *part {
	p := &part{ready: make(chan struct{}), begin: make(chan struct{}), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(ctx)
	var all, connecting sync.WaitGroup
	for i, f := range g.flows {
		if f.client != g.place.Rank && f.server != g.place.Rank {
			continue
		}
		serving := f.server == g.place.Rank
		once := func() {}
		if !serving {
			connecting.Add(1)
			once = sync.OnceFunc(connecting.Done)
		}
		all.Go(func() {
			r, err := g.side(ctx, i, serving, once, p.begin)
			s := side{Flow: i, Serving: serving, Report: r}
			if err != nil {
				s.Report, s.Error = nil, err.Error()
			}
			p.mu.Lock()
			p.sides = append(p.sides, s)
			if err != nil && (p.err == nil || classOf(p.err) == "" && classOf(err) != "") {
				p.err = fmt.Errorf("flow %v: %w", f, err)
			}
			p.mu.Unlock()
			if err != nil {
				cancel() // none of it makes sense without
			}
			once()
		})
	}
	go func() {
		connecting.Wait()
		close(p.ready)
		all.Wait()
		cancel()
		close(p.done)
	}()
	return p
}

// side runs one side of a flow; connected is called when a client's is.
func (g *Group) side(ctx context.Context, i int, serving bool, connected func(), begin <-chan struct{}) (*bench.Report, error) {
	c := g.cfg.Bench
	if n := len(g.cfg.Devs); n > 0 {
		c.Dev = g.cfg.Devs[g.place.Local%n]
	}
	if serving {
		late := time.NewTimer(g.cfg.Wait)
		defer late.Stop()
		select {
		case conn := <-g.calls[i]:
			return bench.RunSide(ctx, c, bench.Side{Conn: conn, Serving: true, Patience: 2 * g.cfg.Wait})
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-late.C:
			return nil, fmt.Errorf("rank %d did not come within %v", g.flows[i].client, g.cfg.Wait)
		}
	}
	conn, err := g.call(ctx, i)
	if err != nil {
		return nil, err
	}
	return bench.RunSide(ctx, c, bench.Side{Conn: conn, Begin: func(ctx context.Context) error {
		connected()
		select {
		case <-begin:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}})
}
