//go:build verbs && cgo && linux

package verbs

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/rxe"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/param"
)

// Available tells whether this build has libibverbs.
const Available = true

// Device is an open device: a context of libibverbs, its asynchronous events
// and the objects opened on it.
//
// Concurrency: all methods may be called from any goroutine.
// Ownership: whoever opened it closes it; Close closes what is left on it.
type Device struct {
	info    DeviceInfo
	port    int
	onAsync func(AsyncEvent)
	rxe     bool // driven by rdma_rxe, whose CQs lose completions and go on
	ctx     *cContext
	vectors int
	async   *asyncReader
	removed atom.Bool // Writer: asyncReader. Readers: all

	mu     sync.Mutex        // control commands, one at a time, and the fields below
	closed bool              // nothing is made any more; the context lives while live has something
	live   map[uint64]object // by id

	closeOnce sync.Once
	closeErr  error
}

// object is anything opened on a device.
type object interface {
	// closeRank orders the closing of a device's objects: users before what
	// they use.
	closeRank() int
	Close() error
}

// Ranks of closing.
const (
	rankQP = iota
	rankCQ
	rankMR
	rankPD
)

// nextID gives out the ids of all objects of the process: what libibverbs calls
// their context. They are never reused, so a late event cannot be taken for one
// of a newer object.
var nextID atom.Uint64

// Devices lists the RDMA devices that libibverbs can open.
func Devices() ([]DeviceInfo, error) {
	devs, err := listDevices()
	if err != nil {
		return nil, openError("list devices", err)
	}
	return devs, nil
}

// Open opens a device. Its errors tell apart: a name that does not exist
// (param.ErrInvalid, listing those that do), no module or no device, and no
// permission (both [hwcq.ErrUnavailable], the latter also fs.ErrPermission).
func Open(c Config) (*Device, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	devs, err := Devices()
	if err != nil {
		return nil, err
	}
	info, err := pick(devs, c.Device)
	if err != nil {
		return nil, err
	}
	d := &Device{info: info, port: max(c.Port, 1), onAsync: c.OnAsync, live: map[uint64]object{}}
	// Only rxe gives its devices this attribute (linux v6.12
	// drivers/infiniband/sw/rxe/rxe_verbs.c).
	_, err = os.Stat("/sys/class/infiniband/" + info.Name + "/parent")
	d.rxe = err == nil
	if d.ctx, err = openContext(info.Name); err != nil {
		return nil, openError("open "+info.Node, err)
	}
	d.vectors = vectors(d.ctx)
	if err := d.start(c.Port); err != nil {
		return nil, errors.Join(err, closeContext(d.ctx))
	}
	return d, nil
}

// start checks the port and begins to read asynchronous events.
func (d *Device) start(port int) error {
	attr, err := d.QueryDevice()
	if err != nil {
		return err
	}
	if d.port > attr.Ports {
		return param.Invalid("verbs: Open", "Port", port, fmt.Sprintf("at most %d: %s has no more ports", attr.Ports, d.info.Name))
	}
	d.async, err = startAsync(d)
	return err
}

// pick chooses the device called name, "" for the first.
func pick(devs []DeviceInfo, name string) (DeviceInfo, error) {
	var names []string
	for _, d := range devs {
		if name == "" || d.Name == name {
			return d, nil
		}
		names = append(names, d.Name)
	}
	if len(devs) > 0 {
		return DeviceInfo{}, param.Invalid("verbs: Open", "Device", name, fmt.Sprintf("one of %v, or empty for the first", names))
	}
	return DeviceInfo{}, fmt.Errorf("verbs: %w: libibverbs knows no device: %s", hwcq.ErrUnavailable, hintUp)
}

// Info describes the device.
func (d *Device) Info() DeviceInfo { return d.info }

// NumCompVectors is how many completion vectors the device has.
func (d *Device) NumCompVectors() int { return d.vectors }

// do runs one control command; op is for the error.
func (d *Device) do(op string, f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fmt.Errorf("verbs: %s: %w", op, hwcq.ErrClosed)
	}
	if err := f(); err != nil {
		return opError(op, err)
	}
	return nil
}

// make runs a command that makes an object, and notes the object.
func (d *Device) make(op string, id uint64, o object, f func() error) error {
	return d.do(op, func() error {
		if err := f(); err != nil {
			return err
		}
		d.live[id] = o
		return nil
	})
}

// drop runs the command that destroys an object. If it fails with EBUSY the
// object stays.
func (d *Device) drop(op string, id uint64, f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := f()
	if err != nil {
		err = opError(op, err)
	}
	if !isBusy(err) {
		delete(d.live, id)
	}
	return err
}

// lookup finds a live object, nil if there is none.
func (d *Device) lookup(id uint64) object {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live[id]
}

// QueryDevice returns the device's limits.
func (d *Device) QueryDevice() (a rxe.DeviceAttr, err error) {
	err = d.do("query device", func() (err error) { a, err = queryDevice(d.ctx); return err })
	return a, err
}

// QueryPort returns the state of the device's port.
func (d *Device) QueryPort() (a rxe.PortAttr, err error) {
	a, _, err = d.queryPort()
	return a, err
}

// queryPort also returns the port's LID, which InfiniBand has.
func (d *Device) queryPort() (a rxe.PortAttr, lid uint16, err error) {
	err = d.do("query port", func() (err error) { a, lid, err = queryPort(d.ctx, d.port); return err })
	return a, lid, err
}

// GIDs returns the valid entries of the port's GID table.
func (d *Device) GIDs() (g []rxe.GIDEntry, err error) {
	attr, err := d.QueryDevice()
	if err != nil {
		return nil, err
	}
	port, err := d.QueryPort()
	if err != nil {
		return nil, err
	}
	err = d.do("query GID table", func() (err error) {
		g, err = queryGIDs(d.ctx, port.GIDTableLen*attr.Ports)
		return err
	})
	return slices.DeleteFunc(g, func(e rxe.GIDEntry) bool { return e.Port != d.port }), err
}

// DefaultGID returns the GID that queue pairs send from unless they are told
// otherwise: the first RoCE v2 GID that is an IPv4 address, else the first of
// RoCE v2, else the first. Without any the error matches [hwcq.ErrUnavailable].
func (d *Device) DefaultGID() (rxe.GIDEntry, error) {
	gids, err := d.GIDs()
	if err != nil {
		return rxe.GIDEntry{}, err
	}
	worth := func(g rxe.GIDEntry) int {
		switch {
		case g.Type == rxe.GIDTypeRoCEv2 && g.GID.IsIPv4():
			return 2
		case g.Type == rxe.GIDTypeRoCEv2:
			return 1
		}
		return 0
	}
	if len(gids) == 0 {
		return rxe.GIDEntry{}, fmt.Errorf("verbs: port %d of %s has no GID: %w: is its network interface up, with an address?",
			d.port, d.info.Name, hwcq.ErrUnavailable)
	}
	return slices.MaxFunc(gids, func(a, b rxe.GIDEntry) int { return cmp.Compare(worth(a), worth(b)) }), nil
}

// sgid is the entry of the table that want names by its index and GID, or by its
// index alone, or the default GID if want is zero.
func (d *Device) sgid(want rxe.GIDEntry) (rxe.GIDEntry, error) {
	if want.GID.IsZero() && want.Index == 0 {
		return d.DefaultGID()
	}
	gids, err := d.GIDs()
	if err != nil {
		return rxe.GIDEntry{}, err
	}
	names := make([]string, len(gids))
	for i, g := range gids {
		if g.Index == want.Index && (want.GID.IsZero() || g.GID == want.GID) {
			return g, nil
		}
		names[i] = fmt.Sprintf("%d: %s %s", g.Index, g.GID, g.Type)
	}
	return rxe.GIDEntry{}, param.Invalid("verbs: Connect", "SGID.Index", want.Index, "one of "+strings.Join(names, ", "))
}

// Close closes what is still open on the device, users first, and then the
// device. It is idempotent.
func (d *Device) Close() error {
	d.closeOnce.Do(func() { d.closeErr = d.close() })
	return d.closeErr
}

func (d *Device) close() error {
	d.mu.Lock()
	d.closed = true // before the look at what is there: nothing may come after it
	d.mu.Unlock()
	var errs []error
	for _, o := range d.objects() {
		err := o.Close()
		// An Open that is about to fail still holds what it would have used.
		for try := 0; isBusy(err) && try < 1000; try++ {
			time.Sleep(time.Millisecond)
			err = o.Close()
		}
		errs = append(errs, err)
	}
	errs = append(errs, d.async.stop())
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.live) > 0 { // the context stays with what could not be closed
		return errors.Join(errs...)
	}
	if err := closeContext(d.ctx); err != nil {
		errs = append(errs, opError("close device", err))
	}
	return errors.Join(errs...)
}

// objects lists the live objects in closing order.
func (d *Device) objects() []object {
	d.mu.Lock()
	defer d.mu.Unlock()
	objs := make([]object, 0, len(d.live))
	for _, o := range d.live {
		objs = append(objs, o)
	}
	slices.SortFunc(objs, func(a, b object) int { return cmp.Compare(a.closeRank(), b.closeRank()) })
	return objs
}
