package ranks

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// guest is somebody who has come to rank 0 and said hello.
type guest struct {
	w *wire
	h *hello
}

// gather is rank 0's part: it waits for all others, compares, and welcomes them.
func (g *Group) gather(ctx context.Context, meet meeting, own hello, limit time.Time) error {
	if _, silent := meet.(portMeeting); own.Job == "" && !silent { // those who find it are told
		own.Job = rand.Text()
	}
	ln, forget, err := meet.listen(own.Job)
	if err != nil {
		return fmt.Errorf("ranks: rank 0 cannot be found at %v: %w", meet, err)
	}
	defer forget()
	guests := make(chan guest)
	over := make(chan struct{})
	room := make(chan struct{}, g.place.Size+maxStrangers)
	var talks sync.WaitGroup
	talks.Go(func() {
		for {
			conn, err := ln.Accept()
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil:
				time.Sleep(50 * time.Millisecond)
				continue
			}
			select {
			case room <- struct{}{}:
				talks.Go(func() {
					defer func() { <-room }()
					receiveGuest(conn, own.Job, guests, over)
				})
			default:
				_ = conn.Close() // who is of the job tries again
			}
		}
	})
	defer talks.Wait()
	defer ln.Close()
	defer close(over)

	g.wires = make([]*wire, g.place.Size)
	g.all = make([]member, g.place.Size)
	g.all[0] = member{Host: own.Host, Port: own.Port, Key: own.Key}
	g.host = "127.0.0.1"
	late := time.NewTimer(time.Until(limit))
	defer late.Stop()
	for left := g.place.Size - 1; left > 0; {
		var c guest
		select {
		case c = <-guests:
		case <-ctx.Done():
			g.refuse(ctx.Err())
			return ctx.Err()
		case <-late.C:
			return g.refuse(g.missing())
		}
		r := c.h.Rank
		what := own.differ(c.h)
		switch {
		case r <= 0 || r >= g.place.Size:
			what = fmt.Sprintf("is none of 1..%d", g.place.Size-1)
		case what == "" && g.wires[r] != nil:
			what = "has come twice"
		}
		if what != "" {
			err := g.refuse(&refusal{fmt.Sprintf("ranks: rank %d on %s %s", r, c.h.Host, what), classUsage})
			_ = c.w.send(message{Kind: msgError, Error: err.Error(), Class: classUsage})
			_ = c.w.conn.Close()
			return err
		}
		g.wires[r], g.all[r] = c.w, member{Host: c.h.Host, Addr: seen(c.w.conn), Port: c.h.Port, Key: c.h.Key}
		left--
	}
	for r, w := range g.wires {
		if w == nil {
			continue
		}
		if err := w.send(message{Kind: msgWelcome, All: g.all}); err != nil {
			return g.refuse(&LostError{r, err})
		}
		g.ends.Go(func() { g.listen(r, w) })
	}
	return nil
}

// maxStrangers are heard at a time, each for writeTime at most.
const maxStrangers = 64

// receiveGuest hears what somebody who has come says.
func receiveGuest(conn net.Conn, job string, guests chan<- guest, over <-chan struct{}) {
	w := newWire(conn)
	w.most = maxHello
	heard := hear(conn, over)
	_ = w.send(message{Kind: msgHere}) // who does not get it says no hello
	m, err := w.receive()
	heard()
	w.most = maxLine
	if err != nil || m.Kind != msgHello || m.Hello == nil || m.Hello.Job != job {
		_ = w.send(message{Kind: msgError, Class: classStranger})
		_ = conn.Close()
		return
	}
	select {
	case guests <- guest{w, m.Hello}:
	case <-over:
		_ = conn.Close()
	}
}

// hear lets a connection whose other end may be anybody be read for writeTime, and not
// longer than until over is closed. heard ends that.
func hear(conn net.Conn, over <-chan struct{}) (heard func()) {
	hung, done := make(chan struct{}), make(chan struct{})
	_ = conn.SetReadDeadline(time.Now().Add(writeTime))
	go func() {
		defer close(hung)
		select {
		case <-over:
			_ = conn.SetReadDeadline(time.Unix(1, 0))
		case <-done:
		}
	}()
	return func() {
		close(done)
		<-hung
		_ = conn.SetReadDeadline(time.Time{})
	}
}

// seen is the address that rank 0 sees; "": its own host.
func seen(conn net.Conn) string {
	from, to := conn.RemoteAddr().(*net.TCPAddr), conn.LocalAddr().(*net.TCPAddr)
	if from.IP.IsLoopback() || from.IP.Equal(to.IP) {
		return ""
	}
	return (&net.IPAddr{IP: from.IP, Zone: from.Zone}).String()
}

// refuse tells those who have come that it is over.
func (g *Group) refuse(err error) error {
	for _, w := range g.wires {
		if w != nil {
			_ = w.send(message{Kind: msgError, Error: err.Error(), Class: classOf(err)})
		}
	}
	return err
}

// MissingError names the ranks that did not come.
type MissingError struct {
	Ranks []int
	Size  int
	Wait  time.Duration
}

func (e *MissingError) Error() string {
	var all []string
	for _, r := range e.Ranks {
		all = append(all, strconv.Itoa(r))
	}
	return fmt.Sprintf("ranks: of %d ranks, %s did not come within %v (they must be started with the same command, and reach this host)",
		e.Size, strings.Join(all, ", "), e.Wait)
}

func (g *Group) missing() error {
	e := &MissingError{Size: g.place.Size, Wait: g.cfg.Wait}
	for r := 1; r < g.place.Size; r++ {
		if g.wires[r] == nil {
			e.Ranks = append(e.Ranks, r)
		}
	}
	slices.Sort(e.Ranks)
	return e
}

// listen passes on what a rank says, until it is over.
func (g *Group) listen(rank int, w *wire) {
	for {
		m, err := w.receive()
		select {
		case g.in <- arrival{rank, m, err}:
		case <-g.gone:
			return
		}
		if err != nil {
			return
		}
	}
}
