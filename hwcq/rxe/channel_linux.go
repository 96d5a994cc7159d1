//go:build amd64 || arm64

package rxe

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// Channel is a completion channel that many CQs share ([CQConfig.Channel]): one file
// descriptor and one goroutine, which the Go runtime's poller wakes, for all of them. It
// hands each event to the CQ it is of. For very many CQs that seldom have something; an
// event costs a goroutine's wake-up more than on a channel of its own.
//
// Concurrency: all methods from any goroutine.
// Ownership: close it after its CQs.
//
// Invariant: a CQ's id leads to its tap from before the kernel has the CQ until all of
// its events that the kernel counts as read have been handed to it.
type Channel struct {
	dev  *Device
	id   uint64
	fd   int
	file *os.File // has fd
	use  usage    // CQs
	done chan struct{}

	mu    sync.Mutex
	taps  map[uint64]*tap
	over  error      // why the reader has ended, nil while it runs
	moved *sync.Cond // got of a tap has risen, or over is set

	stray atomic.Uint64
}

// OpenChannel makes a completion channel for several CQs.
func (d *Device) OpenChannel() (*Channel, error) {
	const op = "open completion channel"
	if err := d.opening(op); err != nil {
		return nil, err
	}
	defer d.opens.leave()
	var out [4]byte
	if err := d.exec(op, cmdCreateChannel, words(resp), out[:], nil); err != nil {
		return nil, err
	}
	fd, err := ownFD(op, le.Uint32(out[:]))
	if err != nil {
		return nil, err
	}
	c, err := newChannel(d, fd)
	if err != nil {
		return nil, err
	}
	d.add(c.id, c)
	return c, nil
}

// newChannel takes over fd and starts the reader.
func newChannel(d *Device, fd int) (*Channel, error) {
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, errors.Join(opError("open completion channel", os.NewSyscallError("fcntl", err)), unix.Close(fd))
	}
	p, err := newSleeper(fd)
	if err != nil {
		return nil, err
	}
	c := &Channel{dev: d, id: nextID.Add(1), fd: fd, file: p.f, done: make(chan struct{}), taps: map[uint64]*tap{}}
	c.moved = sync.NewCond(&c.mu)
	go c.run()
	return c, nil
}

// run hands out events until the file is closed, or the device is taken away.
func (c *Channel) run() {
	defer close(c.done)
	var b [8]byte
	for {
		n, err := c.file.Read(b[:])
		switch {
		case err == nil && n == len(b):
			c.deliver(le.Uint64(b[:]))
			continue
		case errors.Is(err, os.ErrClosed):
			err = errWaitClosed
		case err == nil || errors.Is(err, io.EOF):
			err = fmt.Errorf("%w: a completion event of %d bytes", ErrCorrupt, n)
		default:
			err = opError("wait", err)
		}
		c.fail(err)
		return
	}
}

func (c *Channel) deliver(id uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.taps[id]
	if t == nil {
		c.stray.Add(1)
		return
	}
	t.got++
	t.events.Add(1) // before the token
	t.signal()
	if t.g.closed() {
		c.moved.Broadcast()
	}
}

// fail ends all waits: nothing comes any more.
func (c *Channel) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = err
	for _, t := range c.taps {
		t.end(err)
	}
	c.moved.Broadcast()
}

// Stray is how many events came for CQs that are not there any more, 0 in a world
// without faults.
func (c *Channel) Stray() uint64 { return c.stray.Load() }

func (c *Channel) closeRank() int { return rankChannel }

// Close releases the channel. While a CQ is on it the error matches [hwcq.ErrBusy]. It is
// idempotent.
func (c *Channel) Close() error {
	return c.use.close("close completion channel", func() error {
		err := c.end()
		c.dev.remove(c.id)
		return err
	})
}

func (c *Channel) end() error {
	err := c.file.Close()
	<-c.done
	return err
}

// join makes the place of a CQ. The kernel must not have it yet.
func (c *Channel) join(id uint64) (*tap, error) {
	if err := c.use.acquire("open CQ: channel"); err != nil {
		return nil, err
	}
	t := &tap{ch: c, id: id, g: newGuard(), tok: make(chan struct{}, 1)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.taps[id] = t
	if c.over != nil {
		t.end(c.over)
	}
	return t, nil
}

// leave waits until the reader has handed over the events of a CQ that the kernel does not
// have any more, and takes its place away. It returns how many he has not.
func (c *Channel) leave(t *tap, read uint32) (unread int32) {
	c.mu.Lock()
	// He has one in his hand at most: what is more does not come. (The kernel counts in
	// 32 bits, and a CQ may live longer.)
	for read-t.got == 1 && c.over == nil {
		c.moved.Wait()
	}
	unread = int32(read - t.got)
	delete(c.taps, t.id)
	c.mu.Unlock()
	c.use.release()
	return unread
}
