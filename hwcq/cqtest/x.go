package cqtest

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/evdengine/evd/hwcq"
)

func errorf(format string, args ...any) error { return fmt.Errorf("cqtest: "+format, args...) }

// x is the check of one property.
//
// Concurrency: fatalf, and what may call it, only on the goroutine of the
// check; errorf from any.
type x struct {
	d     Driver
	b     *Bed
	cq    hwcq.CQ
	src   hwcq.EventSource
	own   *owner // nil: the CQ belongs to no thread
	depth int
	shut  bool // the CQ was closed by the check
	last  uint64
	did   int   // rounds. Owner: the check
	got   tally // completions polled: a check that gets some does not hang

	mu   sync.Mutex
	msgs []string
}

// verify runs a check and returns what it found. A check that hangs is one
// that fails: on a busy host one may take long, but it gets completions.
func verify(d Driver, p property) []string {
	failures, _ := verifyRounds(d, p)
	return failures
}

// verifyRounds tells also how many rounds of what is repeated there were.
func verifyRounds(d Driver, p property) (failures []string, rounds int) {
	x := &x{d: d.withDefaults()}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer x.end()
		p.check(x)
	}()
	for got, over := -1, false; !over; {
		select {
		case <-done:
			rounds, over = x.did, true
		case <-time.After(10 * x.d.Patience):
			if now := x.got.load(); now != got {
				got = now
				continue
			}
			over = true
			buf := make([]byte, 1<<16)
			x.errorf("hangs:\n%s", buf[:runtime.Stack(buf, true)])
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Clone(x.msgs), rounds
}

// rounds is how often something is repeated: n times, or a fifth of that. The
// kinds of rounds are to be told apart by less than that.
func (x *x) rounds(n int) int {
	if x.d.Short || testing.Testing() && testing.Short() {
		n = max(1, n/5)
	}
	x.did += n
	return n
}

func (x *x) errorf(format string, args ...any) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.msgs) < 10 { // the first ones tell
		x.msgs = append(x.msgs, fmt.Sprintf(format, args...))
	}
}

func (x *x) fatalf(format string, args ...any) {
	x.errorf(format, args...)
	runtime.Goexit()
}

func (x *x) failed() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.msgs) > 0
}

// noErr ends the check if err is one.
func (x *x) noErr(what string, err error) {
	if err != nil {
		x.fatalf("%s: %v", what, err)
	}
}

// open opens a CQ for the check, after closing the one before.
func (x *x) open(depth int) {
	x.close()
	b, err := x.d.Open(depth)
	x.noErr("Driver.Open", err)
	x.b, x.cq, x.src, x.shut, x.own = b, b.CQ, b.CQ.Events(), false, nil
	x.depth = b.CQ.Capabilities().Depth
	if x.depth < depth {
		x.errorf("Capabilities().Depth is %d, asked for were %d", x.depth, depth)
	}
	if t := bound(x.cq); t != nil {
		x.own = newOwner()
		var err error
		x.do("Bind", func() { err = t.Bind() })
		x.noErr("Bind", err)
	}
}

// do runs f where Wait may be called, on the owner's thread or here, and ends
// the check if it does not return. f must not use fatalf.
func (x *x) do(what string, f func()) {
	if x.own == nil {
		x.within(what, f)
		return
	}
	x.within(what, func() { x.own.do(f) })
}

// within runs f on another goroutine and ends the check if it hangs.
func (x *x) within(what string, f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	x.await(what, done)
}

// await ends the check if done is not closed in time.
func (x *x) await(what string, done <-chan struct{}) {
	t := time.NewTimer(x.d.Patience)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		x.fatalf("%s does not return", what)
	}
}

// mostLook is how much of the patience one look may take: on a host that does not run
// this process for a while nothing was late.
const mostLook = 10 * time.Millisecond

// until ends the check if cond does not become true.
func (x *x) until(what string, cond func() bool) {
	left, last := x.d.Patience, time.Now()
	for i := 0; !cond(); i++ {
		now := time.Now()
		if left -= min(now.Sub(last), mostLook); left <= 0 {
			x.fatalf("in vain: %s", what)
		}
		last = now
		if i < 100 {
			runtime.Gosched()
		} else {
			time.Sleep(100 * time.Microsecond)
		}
	}
}

// end closes what a check left open.
func (x *x) end() {
	if x.b != nil && !x.failed() {
		x.close()
	} else if x.b != nil {
		// Something is broken: if this hangs too, it must not keep the others.
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = x.quiesceAndClose()
			x.own.stop()
		}()
		select {
		case <-done:
		case <-time.After(x.d.Patience):
		}
	}
}

// close closes the CQ as the engine does: unbind, then close.
func (x *x) close() {
	if x.b == nil {
		return
	}
	b := x.b
	x.b = nil
	if !x.shut {
		x.unbind()
		x.within("Close", func() {
			if b.Quiesce != nil {
				if err := b.Quiesce(); err != nil {
					x.errorf("Bed.Quiesce: %v", err)
				}
			}
			if err := b.CQ.Close(); err != nil {
				x.errorf("Close: %v", err)
			}
		})
	}
	x.own.stop()
	if b.Release != nil {
		if err := b.Release(); err != nil {
			x.errorf("Bed.Release: %v", err)
		}
	}
}

// unbind ends the ownership of a CQ that belongs to a thread.
func (x *x) unbind() {
	if t := bound(x.cq); t != nil {
		var err error
		x.do("Unbind", func() { err = t.Unbind() })
		x.noErr("Unbind", err)
	}
}

// shutdown closes the CQ in the middle of a check, which goes on. A blocked
// owner of a CQ that belongs to a thread may be in Wait.
func (x *x) shutdown() {
	var err error
	x.within("Close", func() { err = x.quiesceAndClose() })
	x.shut = true
	x.noErr("Close", err)
}

func (x *x) quiesceAndClose() error {
	if x.b.Quiesce != nil {
		if err := x.b.Quiesce(); err != nil {
			return err
		}
	}
	return x.cq.Close()
}

// owner is a goroutine locked to a thread, which runs what it is given until
// it is stopped. A nil owner may be stopped.
type owner struct {
	work chan func()
	quit chan struct{}
}

func newOwner() *owner {
	o := &owner{make(chan func()), make(chan struct{})}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for {
			select {
			case f := <-o.work:
				f()
			case <-o.quit:
				return
			}
		}
	}()
	return o
}

// do returns when f has run, or the owner was stopped before it could.
func (o *owner) do(f func()) {
	done := make(chan struct{})
	select {
	case o.work <- func() { defer close(done); f() }:
		<-done
	case <-o.quit:
	}
}

func (o *owner) stop() {
	if o != nil {
		close(o.quit)
	}
}
