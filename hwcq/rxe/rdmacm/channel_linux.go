//go:build amd64 || arm64

package rdmacm

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/mapped"
	"github.com/evdengine/evd/internal/param"
)

const node = "/dev/infiniband/rdma_cm"

// Channel is an open connection manager: IDs, and one goroutine that waits for
// their events in the runtime's poller and hands them out. All writes are made by
// one more, on the thread that opened the device.
//
// Invariants: a uid is given out once, so that an event that was on its way when
// its ID was closed finds nobody, and never a newer ID. ids has those that
// events can be for. Nothing is released while the kernel may write to it: the
// page of commands under mu, that of events by the goroutine that reads them,
// which also ends the thread, when closing says that no command can follow.
//
// Concurrency: all methods from any goroutine, also from handlers.
// Ownership: whoever opened it closes it; Close closes what is left on it.
type Channel struct {
	file   *os.File
	raw    syscall.RawConn
	thread thread

	mu      sync.Mutex // one command at a time; also ID.closed
	page    mapped.Pages
	closed  bool
	closing chan struct{} // closed with the channel

	idMu    sync.Mutex
	ids     map[uint64]*ID
	nextUID uint64
	err     error
}

// answerOff is where in its page a command's answer goes.
const answerOff = 2048

// Open opens the connection manager. Errors: no module rdma_ucm, no permission
// (both [hwcq.ErrUnavailable], the latter also [fs.ErrPermission]).
func Open() (*Channel, error) {
	c := &Channel{thread: newThread(), ids: map[uint64]*ID{}, closing: make(chan struct{})}
	var fd int
	var err error
	c.thread.do(func() { fd, err = unix.Open(node, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0) })
	if err != nil {
		c.thread.end()
		return nil, openError(err)
	}
	c.file = os.NewFile(uintptr(fd), node)
	events, err := mapped.Anon(4096)
	if err == nil {
		c.page, err = mapped.Anon(4096)
	}
	if err == nil {
		c.raw, err = c.file.SyscallConn()
	}
	if err != nil {
		c.thread.end()
		return nil, errors.Join(fmt.Errorf("rdmacm: open: %w", err), c.file.Close(), events.Unmap(), c.page.Unmap())
	}
	go c.run(events)
	return c, nil
}

func openError(err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("rdmacm: %w: no permission to open %s: run as root, or give your user read and write access to it: %w", hwcq.ErrUnavailable, node, err)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, unix.ENODEV), errors.Is(err, unix.ENXIO):
		return fmt.Errorf("rdmacm: %w: there is no %s: modprobe rdma_ucm: %w", hwcq.ErrUnavailable, node, err)
	}
	return fmt.Errorf("rdmacm: open %s: %w", node, err)
}

// answer is the address that commands give for their answers.
func (c *Channel) answer() uint64 { return c.page.Addr() + answerOff }

// exec runs one command on id. body builds it, given the address for its answer;
// op is for the error. The last command on an ID is cmdDestroyID: the kernel gives
// its number to the next.
func (c *Channel) exec(id *ID, op string, cmd uint32, body func(answer uint64) []byte, out []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || id.closed {
		return fmt.Errorf("rdmacm: %s: %w", op, hwcq.ErrClosed)
	}
	id.closed = cmd == cmdDestroyID
	p, in := c.page.Bytes(), body(c.answer())
	putHeader(p, cmd, len(in), len(out))
	copy(p[hdrSize:answerOff], in)
	clear(p[answerOff:][:len(out)])
	var werr error
	if err := c.raw.Control(func(fd uintptr) { werr = c.command(fd, p[:hdrSize+len(in)]) }); err != nil {
		return fmt.Errorf("rdmacm: %s: %w", op, hwcq.ErrClosed) // the file is
	}
	if werr != nil {
		return opError(op, werr)
	}
	copy(out, p[answerOff:])
	return nil
}

// command writes one command, whose addresses are outside the Go heap.
func (c *Channel) command(fd uintptr, b []byte) (err error) {
	c.thread.do(func() {
		for {
			if _, err = unix.Write(int(fd), b); err != unix.EINTR {
				return
			}
		}
	})
	return err
}

// run reads events until the channel is closed or useless.
func (c *Channel) run(page mapped.Pages) {
	p := page.Bytes()
	putHeader(p, cmdGetEvent, 8, eventSize)
	le.PutUint64(p[hdrSize:], page.Addr()+answerOff)
	for {
		ev, err := c.next(p)
		if err != nil {
			c.end(err)
			break
		}
		c.dispatch(ev)
	}
	_ = page.Unmap()
	<-c.closing
	c.thread.end()
}

// next waits for an event. p has the command, and a place for the answer.
func (c *Channel) next(p []byte) (rawEvent, error) {
	var err error
	closed := c.raw.Read(func(fd uintptr) bool {
		err = c.command(fd, p[:hdrSize+8])
		return err != unix.EAGAIN
	})
	switch {
	case closed != nil:
		return rawEvent{}, fmt.Errorf("rdmacm: get event: %w", hwcq.ErrClosed)
	case err != nil:
		return rawEvent{}, opError("get event", err)
	}
	return decEvent(p[answerOff:][:eventSize])
}

// end notes that no event comes any more, and tells those who wait for one.
func (c *Channel) end(err error) {
	c.idMu.Lock()
	c.err = err
	left := slices.Collect(maps.Values(c.ids)) // none, if it was closed
	c.idMu.Unlock()
	for _, id := range left {
		id.handle(id, Event{Type: ChannelFailed})
	}
}

// dispatch hands an event to its ID's handler. A request for a listener that is
// gone is turned away: nobody else can.
func (c *Channel) dispatch(e rawEvent) {
	c.idMu.Lock()
	id := c.ids[e.uid]
	c.idMu.Unlock()
	if e.Type == ConnectRequest {
		e.New = &ID{c: c, kernel: e.id}
	}
	if id == nil {
		if e.New != nil {
			_ = e.New.Close()
		}
		return
	}
	id.handle(id, e.Event)
}

// register makes id reachable for events; its uid is new. It fails when none can
// come: nobody would say so later.
func (c *Channel) register(id *ID, h Handler) error {
	c.idMu.Lock()
	defer c.idMu.Unlock()
	if c.err != nil {
		return fmt.Errorf("rdmacm: no event can come: %w", c.err)
	}
	c.nextUID++ // never 0: the kernel keeps events of IDs without uid
	id.uid, id.handle = c.nextUID, h
	c.ids[id.uid] = id
	return nil
}

func (c *Channel) unregister(id *ID) {
	c.idMu.Lock()
	defer c.idMu.Unlock()
	delete(c.ids, id.uid)
}

// NewID makes an ID, for a connection or a listener. Its events go to h. When no
// event comes any more it fails with Err.
func (c *Channel) NewID(h Handler) (*ID, error) {
	if h == nil {
		return nil, param.Invalid("rdmacm: NewID", "h", "nil", "a handler")
	}
	id := &ID{c: c}
	if err := c.register(id, h); err != nil {
		return nil, err
	}
	var out [4]byte
	err := c.exec(id, "new ID", cmdCreateID, func(answer uint64) []byte { return encCreateID(id.uid, answer) }, out[:])
	if err != nil {
		c.unregister(id)
		return nil, err
	}
	id.kernel = le.Uint32(out[:])
	return id, nil
}

// Err is why no event comes any more, nil while they do.
func (c *Channel) Err() error {
	c.idMu.Lock()
	defer c.idMu.Unlock()
	return c.err
}

// Close releases the channel and all its IDs: peers see their connections end.
// It does not wait for a handler in progress, which may be the caller.
// Idempotent.
func (c *Channel) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil
	}
	c.closed = true
	close(c.closing)
	c.idMu.Lock()
	clear(c.ids)
	c.idMu.Unlock()
	return errors.Join(c.file.Close(), c.page.Unmap())
}

// opError names the operation that failed and adds what its errno means here.
func opError(op string, err error) error {
	why := ""
	switch {
	case errors.Is(err, unix.EACCES):
		why = "credentials changed after Open: "
	case errors.Is(err, unix.ENODEV):
		why = "no RDMA device has that address, or leads there: "
	case errors.Is(err, unix.EADDRNOTAVAIL):
		why = "no interface of this host has that address: "
	case errors.Is(err, unix.EADDRINUSE):
		return fmt.Errorf("rdmacm: %s: %w: another listener has the port: %w", op, hwcq.ErrBusy, err)
	}
	return fmt.Errorf("rdmacm: %s: %s%w", op, why, err)
}
