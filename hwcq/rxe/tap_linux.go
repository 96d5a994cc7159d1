//go:build amd64 || arm64

package rxe

import (
	"runtime"
	"sync/atomic"
)

// tap is the event source of a CQ on a shared channel.
//
// Invariant: whoever changes events, woken, why or the guard puts the token in
// afterwards, and the waiter looks at all of them after each token: a token says "look
// again", nothing more. Who is to be told by Notify is told then.
//
// Concurrency: Wait and TryWait from one goroutine at a time, which is checked; the rest
// from any.
type tap struct {
	g  guard // keeps the CQ's commands
	ch *Channel
	id uint64

	events atomic.Int64 // not taken yet. Writers: deliver, who takes
	woken  atomic.Bool  // Writers: Wake sets, the waiter clears
	why    atomic.Pointer[error]
	reader atomic.Uint32 // as source.reader
	tok    chan struct{} // cap 1
	note   atomic.Pointer[func()]

	got uint32 // owner: Channel.mu; events of the kernel
}

// Wait implements [hwcq.EventSource]: events come before a Wake, a closed CQ before both,
// and a removed one after both.
func (t *tap) Wait() (event bool, err error) {
	if !t.g.enter() {
		return false, errWaitClosed
	}
	for !t.reader.CompareAndSwap(readerNone, readerWait) {
		if t.reader.Load() == readerWait {
			t.g.leave()
			return false, errWaitBusy
		}
		runtime.Gosched() // a TryWait, over in a moment
	}
	for {
		if t.g.closed() {
			err = errWaitClosed
			break
		}
		if event = t.take(); event {
			break
		}
		if t.woken.Load() && t.woken.Swap(false) {
			break
		}
		if e := t.why.Load(); e != nil {
			err = *e
			break
		}
		<-t.tok
	}
	t.reader.Store(readerNone)
	t.g.leave()
	return event, err
}

// TryWait implements [hwcq.EventSource].
func (t *tap) TryWait() (event bool, err error) {
	if !t.g.enter() {
		return false, errWaitClosed
	}
	if t.reader.CompareAndSwap(readerNone, readerTry) {
		if event = t.take(); !event {
			if e := t.why.Load(); e != nil {
				err = *e
			}
		}
		t.reader.Store(readerNone)
	}
	t.g.leave()
	return event, err
}

// take consumes an event. Only the reader lowers events.
func (t *tap) take() bool {
	if t.events.Load() == 0 {
		return false
	}
	t.events.Add(-1)
	return true
}

// Wake implements [hwcq.EventSource].
func (t *tap) Wake() {
	t.woken.Store(true) // before the token
	t.signal()
}

// signal has the waiter look, and whoever is to be told.
func (t *tap) signal() {
	select {
	case t.tok <- struct{}{}:
	default:
	}
	if fn := t.note.Load(); fn != nil {
		(*fn)()
	}
}

// Notify implements [hwcq.Notifier]. There is no descriptor: the channel's is its
// goroutine's.
func (t *tap) Notify(fn func()) (fd int, err error) {
	if fn == nil {
		t.note.Store(nil)
		return -1, nil
	}
	t.note.Store(&fn) // before the look at closed; pairs with stop
	if t.g.closed() {
		return -1, errWaitClosed
	}
	return -1, nil
}

// end has every Wait return err from now on.
func (t *tap) end(err error) {
	t.why.CompareAndSwap(nil, &err) // before the token
	t.signal()
}

func (t *tap) lose() { t.end(errWaitRemoved) }

func (t *tap) spoil() { t.end(errWaitCorrupt) }

func (t *tap) method() WaitMethod { return WaitRuntime }

func (t *tap) channel() int { return t.ch.fd }

// stop turns newcomers away and waits for the waiter to leave, which is soon: the token
// is the last thing he waits for.
func (t *tap) stop() error {
	t.g.shut()
	for t.signal(); !t.g.wait(ringAgain); {
		t.signal()
	}
	return nil
}

func (t *tap) release(read uint32) (unread int32, err error) {
	return t.ch.leave(t, read), nil
}
