package engine

import "fmt"

// FD returns a descriptor that is readable exactly while EVDs are ready that no
// waiter has, for select, poll, epoll and what is built on them: when it is, call
// TryWait. It is level: do not read it, the CNO does. The first call makes it.
//
// Errors: ErrClosed; ErrNotSupported where there is no eventfd (all but Linux); the
// system's.
// Ownership: the CNO's, which closes it when it is closed: take it out of an epoll
// set before. Nonblocking, close-on-exec.
// Source: eventfd(2); dat_cno_fd_create (uDAPL 2.0), which is one-shot.
func (c *CNO) FD() (int, error) {
	const op = "engine: CNO.FD"
	if err := c.valid(op); err != nil {
		return -1, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return -1, c.closedErr(op)
	}
	if err := c.fd.make(c.ready.n > 0); err != nil {
		return -1, fmt.Errorf("%s: CNO %q: eventfd: %w", op, c.name, err)
	}
	return c.fd.number(), nil
}
