//go:build amd64 || arm64

package rxe

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/evdengine/evd/hwcq"
)

// Device is an open rxe device: a uverbs context, its asynchronous events and
// the objects opened on it.
//
// Concurrency: all methods may be called from any goroutine.
// Ownership: whoever opened it closes it; Close closes what is left on it.
type Device struct {
	control

	info    DeviceInfo
	onAsync func(AsyncEvent)
	vectors int
	limits  DeviceAttr
	byIoctl atomic.Bool // hot commands go by ioctl: see hotBlock

	mu   sync.Mutex
	live map[uint64]object // owner: mu; by id

	opens     guard // shut by Close; inside is who opens an object
	closeOnce sync.Once
	closeErr  error
	async     *asyncReader
	removal   *removal
	tellMu    sync.Mutex  // held by whoever tells of an asynchronous event
	gone      atomic.Bool // the device is, or waits for us to leave. Writer: dispatch

	helperMu sync.Mutex
	helper   *PD // of the ringers; nil until the first
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
	rankMW = iota
	rankQP
	rankCQ
	rankChannel
	rankMR
	rankPD
)

// nextID gives out the user handles of all objects of the process. They are
// never reused, so a late event cannot be taken for one of a newer object.
var nextID atomic.Uint64

// NumCompVectors is how many completion vectors the device has.
func (d *Device) NumCompVectors() int { return d.vectors }

// Info describes the device.
func (d *Device) Info() DeviceInfo { return d.info }

// exec runs one control command; op is for the error.
func (d *Device) exec(op string, cmd uint32, in, core, driver []byte) error {
	return d.command(op, func(b ioctlBuf) error {
		if err := b.invoke(d.fd, cmd, in, core, driver); err != nil {
			return opError(op, d.explain(cmd, err))
		}
		return nil
	})
}

// mapQueue maps a queue the device has just made.
func (d *Device) mapQueue(mi mmInfo) (m mapping, err error) {
	err = d.with("map queue", func() (err error) { m, err = mapQueue(d.fd, mi); return err })
	return m, err
}

// opening announces one who opens an object, op, until he calls d.opens.leave: Close
// waits for him, and closes what he has added. So no object outlives the device's file,
// whose number may be another's then.
func (d *Device) opening(op string) error {
	if d.opens.enter() {
		return nil
	}
	return fmt.Errorf("rxe: %s: device: %w", op, hwcq.ErrClosed)
}

// add registers an object that was just opened.
func (d *Device) add(id uint64, o object) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.live[id] = o
}

// remove forgets an object that is closed, and uses nothing any more: Close of the device
// does not wait for it.
func (d *Device) remove(id uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.live, id)
}

// lookup finds a live object, nil if there is none.
func (d *Device) lookup(id uint64) object {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.live[id]
}

// QueryDevice returns the device's limits.
func (d *Device) QueryDevice() (DeviceAttr, error) {
	var out [176]byte
	if err := d.exec("query device", cmdQueryDevice, words(resp), out[:], nil); err != nil {
		return DeviceAttr{}, err
	}
	return decQueryDevice(out[:])
}

// QueryPort returns the state of the device's port.
func (d *Device) QueryPort() (PortAttr, error) {
	var out [40]byte
	if err := d.exec("query port", cmdQueryPort, encQueryPort(portNum), out[:], nil); err != nil {
		return PortAttr{}, err
	}
	return decQueryPort(out[:])
}

// GIDs returns the valid entries of the GID table.
func (d *Device) GIDs() ([]GIDEntry, error) {
	const op = "query GID table"
	port, err := d.QueryPort()
	if err != nil {
		return nil, err
	}
	n := min(max(port.GIDTableLen, 1), 0xffff/gidEntSize)
	m, err := mapAnon(uintptr(n * gidEntSize))
	if err != nil {
		return nil, opError(op, err)
	}
	defer m.Unmap()

	var gids []GIDEntry
	err = d.command(op, func(b ioctlBuf) error {
		count := b.Bytes()[ioOutOff:][:8]
		clear(count)
		b.begin(methodGIDs)
		b.attr(0, 8, gidEntSize) // entry size
		b.attr(1, 4, 0)          // flags
		b.attr(2, uint16(n*gidEntSize), m.Addr())
		b.attr(3, 8, b.Addr()+ioOutOff)
		if err := b.run(d.fd); err != nil {
			return opError(op, err)
		}
		gids, err = decGIDs(m.Bytes()[:n*gidEntSize], le.Uint64(count))
		return err
	})
	return gids, err
}

// DefaultGID returns the first RoCE v2 GID that is an IPv4 address: the one
// that works between rxe devices. Without one, because the network interface
// has no IPv4 address, the error matches [hwcq.ErrUnavailable].
func (d *Device) DefaultGID() (GIDEntry, error) {
	gids, err := d.GIDs()
	if err != nil {
		return GIDEntry{}, err
	}
	for _, g := range gids {
		if g.Type == GIDTypeRoCEv2 && g.GID.IsIPv4() {
			return g, nil
		}
	}
	return GIDEntry{}, fmt.Errorf("rxe: %s has no RoCE v2 IPv4 GID: %w: give its interface %s an IPv4 address (ip addr add ADDR/LEN dev %[3]s)",
		d.info.Name, hwcq.ErrUnavailable, d.info.NetDev)
}

// Close closes what is still open on the device, users first, and then the
// device. It is idempotent.
func (d *Device) Close() error {
	d.closeOnce.Do(func() { d.closeErr = d.close() })
	return d.closeErr
}

func (d *Device) close() error {
	for d.opens.shut(); !d.opens.wait(time.Minute); { // who opens is waited for however long it takes
	}
	var errs []error
	for _, o := range d.objects() {
		errs = append(errs, o.Close())
	}
	d.async.stop()
	d.removal.stop()

	d.control.shut()
	for _, o := range d.objects() { // what the kernel has refused to destroy: it will with the file
		errs = append(errs, o.Close())
	}
	return errors.Join(append(errs, d.release()...)...)
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
