package bench

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/evdengine/evd/engine"
)

// poster is a goroutine that posts software events as fast as the EVD takes
// them.
type poster struct {
	b     *throughput
	u     *unit // that it posts to
	name  string
	book  *Producer
	share share
	ev    engine.Event // the next one
}

func newPoster(b *throughput, u *unit, i int) *poster {
	name := fmt.Sprintf("poster %d", i)
	return &poster{b: b, u: u, name: name, book: u.book(name, true)}
}

func (p *poster) run(t *tag) {
	defer p.b.s.producerEnded()
	p.share = p.b.share(p.book)
	p.share.tag = t
	full := 0
	for p.share.left(1) > 0 {
		p.ev.WRID = p.book.Next()
		err := p.u.post(&p.ev)
		if err == nil {
			p.book.Offered(1, 1)
			full = 0
			continue
		}
		p.book.Offered(1, 0)
		if !errors.Is(err, engine.ErrFull) {
			p.b.s.fault("Post: %v", err)
			return
		}
		full++
		giveWay(full)
	}
}

// giveWay is called by a producer that found the EVD full, for the nth time
// in a row.
func giveWay(n int) {
	const yields = 1000
	if n < yields {
		runtime.Gosched()
		return
	}
	time.Sleep(min(time.Duration(n-yields)*time.Microsecond, time.Millisecond))
}

// flipper takes the consumer's place from time to time: every nth upcall
// disables upcalls from inside, and the flipper dequeues until the EVD agrees
// to enable them again, which it refuses while anything is pending.
type flipper struct {
	b    *throughput
	turn chan struct{}
	buf  []engine.Event
}

func newFlipper(b *throughput) *flipper {
	return &flipper{b: b, turn: b.turn, buf: make([]engine.Event, b.s.cfg.Batch)}
}

func (f *flipper) run(t *tag) {
	for {
		select {
		case <-f.turn:
			t.see(f.b.s.phase.load())
			if err := f.take(); err != nil && !errors.Is(err, engine.ErrClosed) {
				f.b.s.fault("flip: %v", err)
				return
			}
		case <-f.b.s.gone:
			return
		}
	}
}

func (f *flipper) take() error {
	evd := f.b.s.evd
	for {
		n, err := evd.Dequeue(f.buf)
		if n > 0 {
			f.b.s.con.dequeue(f.buf[:n])
			f.b.lanes[0].consume(f.buf[:n])
			continue
		}
		if err != nil && !errors.Is(err, engine.ErrBusy) {
			return err
		}
		err = evd.ModifyUpcall(engine.SingleInstance, engine.Same)
		if err == nil {
			return nil
		}
		if !errors.Is(err, engine.ErrEventsPending) {
			return err
		}
		runtime.Gosched()
	}
}
