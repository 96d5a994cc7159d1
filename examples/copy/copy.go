//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
)

// Defaults and limits of Options.
const (
	DefaultDepth = 16
	DefaultBlock = 128 << 10

	maxDepth = 1024
	maxBlock = 1 << 30
)

// Options say how Copy works. The zero value has the defaults.
type Options struct {
	Depth int // blocks in flight at once, 1..1024; each is being read or written
	Block int // bytes of a block, 1..2^30
}

// Copy copies the regular file src to dst, as many bytes as src has when it begins, and
// has them written to the disk. It returns how many bytes were written; with an error dst
// has some of them, not always the first ones. When ctx ends Copy begins no more
// blocks, and returns when those in flight are done.
func Copy(ctx context.Context, dst, src string, o Options) (n int64, err error) {
	if o.Depth == 0 {
		o.Depth = DefaultDepth
	}
	if o.Block == 0 {
		o.Block = DefaultBlock
	}
	if o.Depth < 1 || o.Depth > maxDepth {
		return 0, fmt.Errorf("depth %d: must be 1..%d", o.Depth, maxDepth)
	}
	if o.Block < 1 || o.Block > maxBlock {
		return 0, fmt.Errorf("block of %d bytes: must be 1..%d", o.Block, maxBlock)
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	in, size, err := source(src)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, regular, err := destination(dst, in)
	if err != nil {
		return 0, err
	}
	c := &copier{in: in, out: out, size: size, sync: regular}
	err = c.copy(ctx, o)
	return c.n, errors.Join(err, out.Close())
}

// source opens the file to read.
func source(name string) (f *os.File, size int64, err error) {
	if f, err = os.Open(name); err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: not a regular file", name)
	}
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// destination opens the file to write, and empties it if it is a regular one.
func destination(name string, in *os.File) (f *os.File, regular bool, err error) {
	if f, err = os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o666); err != nil {
		return nil, false, err
	}
	mine, err := f.Stat()
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	other, err := in.Stat()
	if err == nil && os.SameFile(mine, other) {
		err = fmt.Errorf("%s and %s are the same file", in.Name(), name)
	}
	regular = mine.Mode().IsRegular()
	if err == nil && regular {
		err = f.Truncate(0)
	}
	if err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, regular, nil
}

// copier is one copy. It is one goroutine's, who submits, waits, and submits again: the
// EVD's upcalls are disabled.
type copier struct {
	in, out *os.File
	size    int64
	sync    bool // out can be synchronized

	ring   *uring.Ring
	evd    *engine.EVD
	blocks []block
	next   int64 // what of the file is before it has been given to a block
	busy   int   // requests in flight
	n      int64 // bytes written
	err    error // the first
}

// block is a piece of the file on its way: read until buf is full, then written.
type block struct {
	memory  []byte
	buf     []byte // of memory, as long as the piece
	off     int64  // where in the file it is
	writing bool
	done    int // of buf: bytes that were read, or written
}

// syncWRID is the WRID of the fsync. Those of the blocks are their indices.
const syncWRID = maxDepth

// copy makes ring, engine and EVD, and releases them.
func (c *copier) copy(ctx context.Context, o Options) (err error) {
	release := func(f func() error) { err = errors.Join(err, f()) }
	if c.ring, err = uring.Open(uring.Config{Entries: o.Depth}); err != nil {
		return err
	}
	defer release(c.ring.Close)
	// Off the Go heap, so that no request has to pin it. It is the ring's.
	memory, err := c.ring.Alloc(o.Depth * o.Block)
	if err != nil {
		return err
	}
	c.blocks = make([]block, o.Depth)
	for i := range c.blocks {
		c.blocks[i].memory = memory[i*o.Block:][:o.Block]
	}
	e, err := engine.New(engine.Config{})
	if err != nil {
		return err
	}
	defer release(e.Close) // the EVD too
	c.evd, err = e.NewEVD(engine.EVDConfig{Name: "copy", CQs: []hwcq.CQ{c.ring}, Mode: engine.ModeEvent})
	if err != nil {
		return err
	}
	for i := range c.blocks {
		c.begin(i)
	}
	c.serve(ctx)
	if c.err == nil && c.sync {
		c.submit(syncWRID, uring.Fsync(int(c.out.Fd()), false))
		c.serve(ctx)
	}
	return c.err
}

// serve takes completions until nothing is in flight.
func (c *copier) serve(ctx context.Context) {
	var events [32]engine.Event
	for c.busy > 0 {
		n, _, err := c.evd.Wait(ctx, 1, events[:])
		for i := range events[:n] {
			c.busy--
			c.completed(&events[i])
		}
		if ctx.Err() != nil { // events win over it
			c.fail(ctx.Err())
			// The blocks are the kernel's until it is done with them.
			ctx = context.WithoutCancel(ctx)
		} else if err != nil {
			c.fail(err)
			return // the EVD has failed; closing the ring waits for the kernel
		}
	}
}

func (c *copier) completed(ev *engine.Event) {
	n, err := uring.Result(ev.WC())
	if ev.WRID == syncWRID {
		if err != nil {
			c.fail(fmt.Errorf("fsync %s: %w", c.out.Name(), err))
		}
		return
	}
	i := int(ev.WRID)
	b := &c.blocks[i]
	if err == nil && n == 0 {
		err = io.ErrUnexpectedEOF // src has become shorter
		if b.writing {
			err = io.ErrShortWrite
		}
	}
	switch {
	case err != nil && b.writing:
		c.fail(fmt.Errorf("write %s: %w", c.out.Name(), err))
		return
	case err != nil:
		c.fail(fmt.Errorf("read %s: %w", c.in.Name(), err))
		return
	}
	b.done += n
	if b.writing {
		c.n += int64(n)
	}
	switch {
	case b.done < len(b.buf):
		c.transfer(i) // it was short: the rest
	case b.writing:
		c.begin(i)
	default:
		b.writing, b.done = true, 0
		c.transfer(i)
	}
}

// begin gives the block the next piece of the file, if there is one.
func (c *copier) begin(i int) {
	b := &c.blocks[i]
	b.buf = b.memory[:min(int64(len(b.memory)), c.size-c.next)]
	if len(b.buf) == 0 {
		return
	}
	b.off, b.writing, b.done = c.next, false, 0
	c.next += int64(len(b.buf))
	c.transfer(i)
}

// transfer reads or writes what is missing of a block.
func (c *copier) transfer(i int) {
	b := &c.blocks[i]
	if b.writing {
		c.submit(i, uring.Write(int(c.out.Fd()), b.buf[b.done:], b.off+int64(b.done)))
	} else {
		c.submit(i, uring.Read(int(c.in.Fd()), b.buf[b.done:], b.off+int64(b.done)))
	}
}

// submit starts a request, unless something has gone wrong. There is room: each block
// has one at a time.
func (c *copier) submit(wrid int, q uring.Request) {
	if c.err != nil {
		return
	}
	q.WRID = uint64(wrid)
	if _, err := c.ring.Submit([]uring.Request{q}); err != nil {
		c.fail(err)
		return
	}
	c.busy++
}

func (c *copier) fail(err error) {
	if c.err == nil {
		c.err = err
	}
}
