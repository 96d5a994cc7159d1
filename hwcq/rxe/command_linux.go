//go:build amd64 || arm64

package rxe

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// control issues the control commands of a device, several at once: one that connects,
// or opens an AH, waits up to a second for a neighbour that does not answer (linux
// drivers/infiniband/core/addr.c: rdma_addr_find_l2_eth_by_grh), and the others are not
// to wait with it.
//
// Invariants: fd is open, and is the device's, while closed is false; closed is written
// under open's write lock, and read, as fd is used, under its read lock.
//
// Concurrency: from any goroutine.
type control struct {
	open   sync.RWMutex
	fd     int
	closed bool
	kernel func(page []byte) unix.Errno // of tests, in place of the ioctl

	pagesMu sync.Mutex
	pages   []mapping // of commands that are over
}

// with runs f while the file is open; op is for the error.
func (c *control) with(op string, f func() error) error {
	c.open.RLock()
	defer c.open.RUnlock()
	if c.closed {
		return fmt.Errorf("rxe: %s: %w", op, hwcq.ErrClosed)
	}
	return f()
}

// command runs f, which makes one call, with a page for it.
func (c *control) command(op string, f func(b ioctlBuf) error) error {
	return c.with(op, func() error {
		page, err := c.page()
		if err != nil {
			return opError(op, err)
		}
		err = f(ioctlBuf{page, c.kernel})
		c.pagesMu.Lock()
		c.pages = append(c.pages, page)
		c.pagesMu.Unlock()
		return err
	})
}

func (c *control) page() (mapping, error) {
	c.pagesMu.Lock()
	defer c.pagesMu.Unlock()
	if n := len(c.pages); n > 0 {
		p := c.pages[n-1]
		c.pages = c.pages[:n-1]
		return p, nil
	}
	return mapAnon(4096)
}

// shut refuses commands from now on, when those that run are over.
func (c *control) shut() {
	c.open.Lock()
	c.closed = true
	c.open.Unlock()
}

// release gives back the file and the pages, after shut.
func (c *control) release() []error {
	errs := []error{unix.Close(c.fd)}
	for _, p := range c.pages {
		errs = append(errs, p.Unmap())
	}
	c.pages = nil
	return errs
}
