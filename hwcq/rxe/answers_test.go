//go:build linux && (amd64 || arm64)

package rxe

import (
	"bytes"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/internal/param"
)

// Answers of the kernel that cannot be: told, with nothing left behind.

// openAll opens one of everything on d.
func openAll(d *Device, how WaitMethod) (err error) {
	cq, err := d.OpenCQ(CQConfig{Depth: 10, MaxDepth: 100, Wait: how})
	if err != nil {
		return err
	}
	if err := cq.Resize(50); err != nil {
		return err
	}
	pd, err := d.OpenPD()
	if err != nil {
		return err
	}
	buf, err := OpenBuffer(4096)
	if err != nil {
		return err
	}
	mr, err := pd.Reg(buf, LocalWrite)
	if err != nil {
		return errors.Join(err, buf.Close())
	}
	defer func() { err = errors.Join(err, mr.Close(), buf.Close()) }()
	qp, err := pd.OpenQP(QPConfig{SendCQ: cq, SendDepth: 10, RecvDepth: 10, MaxSGE: 2, Inline: 64})
	if err != nil {
		return err
	}
	srq, err := pd.OpenSRQ(SRQConfig{Depth: 10, MaxSGE: 2})
	if err != nil {
		return err
	}
	if _, err := pd.OpenMW(); err != nil {
		return err
	}
	if _, err := srq.Query(); err != nil {
		return err
	}
	if _, err := d.QueryDevice(); err != nil {
		return err
	}
	if _, err := d.QueryPort(); err != nil {
		return err
	}
	if _, err := d.GIDs(); err != nil {
		return err
	}
	_, err = qp.Query()
	return err
}

// startPoller has the runtime open the files of its poller, which stay.
var startPoller = sync.OnceFunc(func() {
	if r, w, err := os.Pipe(); err == nil {
		_, _ = r.Close(), w.Close()
	}
})

// holdings lists the process's files and its mappings of fake devices.
func holdings(t testing.TB) (fds, maps int) {
	startPoller()
	ents, err := os.ReadDir("/proc/self/fd")
	require.NoError(t, err)
	b, err := os.ReadFile("/proc/self/maps")
	require.NoError(t, err)
	return len(ents), bytes.Count(b, []byte("rxe-fake"))
}

// tryAll opens everything on a kernel whose answers are mangled, closes the
// device, and checks that nothing is left.
func tryAll(t testing.TB, how WaitMethod, mangle func(cmd uint32, core, driver []byte) unix.Errno) error {
	fds, maps := holdings(t)
	d, k, err := openFake(t, mangle)
	if err == nil {
		err = openAll(d, how)
		require.NoError(t, d.Close())
	}
	k.gone()
	afterFDs, afterMaps := holdings(t)
	require.Equal(t, fds, afterFDs, "file descriptors: %v", err)
	require.Equal(t, maps, afterMaps, "mappings: %v", err)
	return err
}

func TestFakeKernelIsUsable(t *testing.T) {
	for _, how := range fakeMethods {
		require.NoError(t, tryAll(t, how, nil))
	}
}

func TestNonsenseAnswers(t *testing.T) {
	const unused = 1 << 20 // no process here has so many files
	core32 := func(off int, v uint32) func(core, driver []byte) {
		return func(core, _ []byte) { le.PutUint32(core[off:], v) }
	}
	driver32 := func(off int, v uint32) func(core, driver []byte) {
		return func(_, driver []byte) { le.PutUint32(driver[off:], v) }
	}
	closing := func(f func(core, driver []byte)) func(core, driver []byte) {
		return func(core, driver []byte) { // the fake kernel has made the file
			_ = unix.Close(int(le.Uint32(core)))
			f(core, driver)
		}
	}
	for name, c := range map[string]struct {
		cmd    uint32
		mangle func(core, driver []byte)
	}{
		"async file is not open":      {cmdGetContext, closing(core32(0, unused))},
		"async file is negative":      {cmdGetContext, closing(core32(0, ^uint32(0)))},
		"no completion vectors":       {cmdGetContext, core32(4, 0)},
		"too many completion vectors": {cmdGetContext, core32(4, 1<<31)},
		"channel is not open":         {cmdCreateChannel, closing(core32(0, unused))},
		"channel is negative":         {cmdCreateChannel, closing(core32(0, 1<<31))},
		"CQ of no depth":              {cmdCreateCQ, core32(4, 0)},
		"CQ of another depth":         {cmdCreateCQ, core32(4, 31)},
		"CQ of no size":               {cmdCreateCQ, driver32(8, 0)},
		"CQ smaller than its header":  {cmdCreateCQ, driver32(8, 383)},
		"CQ smaller than its slots":   {cmdCreateCQ, driver32(8, 384+15*128)},
		"CQ between pages":            {cmdCreateCQ, driver32(0, 4097)},
		"CQ at no offset":             {cmdCreateCQ, driver32(4, 1<<31)},
		"CQ where nothing is":         {cmdCreateCQ, driver32(4, 1)},
		"resized CQ of no depth":      {cmdResizeCQ, core32(0, 0)},
		"resized CQ of another depth": {cmdResizeCQ, core32(0, 31)},
		"resized CQ of no size":       {cmdResizeCQ, driver32(8, 0)},
		"resized CQ of great size":    {cmdResizeCQ, driver32(8, 1<<31)},
		"resized CQ between pages":    {cmdResizeCQ, driver32(0, 4097)},
		"resized CQ where nothing is": {cmdResizeCQ, driver32(4, 1)},
		"QP number of 25 bits":        {cmdCreateQP, core32(4, 1<<24)},
		"pieces larger than a slot":   {cmdCreateQP, core32(16, 1000)},
		"pieces without bound":        {cmdCreateQP, core32(20, ^uint32(0))},
		"inline data without bound":   {cmdCreateQP, core32(24, ^uint32(0))},
		"receive queue of no size":    {cmdCreateQP, driver32(8, 0)},
		"receive queue elsewhere":     {cmdCreateQP, driver32(4, 2)},
		"send queue of no size":       {cmdCreateQP, driver32(24, 0)},
		"send queue between pages":    {cmdCreateQP, driver32(16, 1)},
		"SRQ of no size":              {cmdCreateSRQ, driver32(8, 0)},
		"SRQ between pages":           {cmdCreateSRQ, driver32(0, 7)},
		"SRQ where nothing is":        {cmdCreateSRQ, driver32(4, 3)},
		"more GIDs than asked for":    {fakeGIDs, core32(0, 17)},
		"GIDs without bound":          {fakeGIDs, func(core, _ []byte) { le.PutUint64(core, ^uint64(0)) }},
	} {
		t.Run(name, func(t *testing.T) {
			err := tryAll(t, WaitPoll, func(cmd uint32, core, driver []byte) unix.Errno {
				if cmd == c.cmd {
					c.mangle(core, driver)
				}
				return 0
			})
			require.ErrorIs(t, err, ErrCorrupt)
			require.ErrorContains(t, err, "rxe: ")
			t.Log(err)
		})
	}
}

// Whatever a command is refused with, it is told and nothing is left behind.
func TestRefusedCommands(t *testing.T) {
	for _, refused := range []uint32{
		cmdQueryDevice, cmdQueryPort, cmdAllocPD, cmdRegMR, cmdCreateCQ, cmdCreateQP, cmdModifyQP, cmdQueryQP, fakeGIDs,
		cmdCreateSRQ, cmdQuerySRQ, cmdAllocMW, cmdResizeCQ,
	} {
		for _, e := range []unix.Errno{unix.EINVAL, unix.ENOMEM, unix.EBUSY, unix.EIO, unix.EACCES, unix.ENOSPC, unix.EMFILE} {
			var k *fakeKernel
			d, k, err := openFake(t, nil)
			require.NoError(t, err)
			k.mangle = func(cmd uint32, _, _ []byte) unix.Errno {
				if cmd != refused {
					return 0
				}
				if k.live[cmd] > 0 {
					k.live[cmd]--
				}
				return e
			}
			err = openAll(d, WaitPoll)
			require.ErrorIs(t, err, e, "command %d", refused)
			require.ErrorContains(t, err, "rxe: ")
			require.NoError(t, d.Close())
			k.gone()
		}
	}
}

// Async events that are cut off or of a type nobody knows harm nothing, and
// what follows arrives.
func TestNonsenseAsyncEvents(t *testing.T) {
	d, k, err := openFake(t, nil)
	require.NoError(t, err)
	cq, err := d.OpenCQ(CQConfig{Depth: 10, Wait: WaitPoll})
	require.NoError(t, err)
	event := func(element uint64, kind uint32) []byte { return words([]uint64{element}, kind, 0) }
	k.async([]byte{1})
	k.async(event(cq.id, 0)[:15])
	k.async(event(cq.id, 12345))
	k.async(event(^uint64(0), 0))
	k.async(event(cq.id, 0))
	require.Eventually(t, func() bool { return cq.Overruns() == 1 }, patience, 1e6)
	require.NoError(t, d.Close())
	k.gone()
}

// A ring that cannot be followed after a Resize is told to one who sleeps, too.
func TestResizeWakesWaiter(t *testing.T) {
	for _, how := range fakeMethods {
		d, k, err := openFake(t, func(cmd uint32, _, driver []byte) unix.Errno {
			if cmd == cmdResizeCQ {
				le.PutUint32(driver[8:], 0)
			}
			return 0
		})
		require.NoError(t, err)
		cq, err := d.OpenCQ(CQConfig{Depth: 7, MaxDepth: 31, Wait: how})
		require.NoError(t, err)
		told := make(chan error)
		go func() { _, err := cq.Events().Wait(); told <- err }()
		require.Eventually(t, func() bool { return cq.src.reader.Load() == readerWait }, patience, time.Millisecond)
		time.Sleep(10 * time.Millisecond) // he sleeps by now
		require.ErrorIs(t, cq.Resize(31), ErrCorrupt)
		require.ErrorIs(t, <-told, ErrCorrupt)
		require.ErrorIs(t, cq.Resize(31), ErrCorrupt)
		require.NoError(t, d.Close())
		k.gone()
	}
}

// FuzzAnswers changes any bytes of any answers. Nothing faults, an error is one
// that says so, and nothing is left behind. File descriptors are left alone: one
// that is open and another's cannot be told.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{4, 0, 0, 0, 1, 9, 255})
	f.Add([]byte{6, 1, 8, 0, 7, 1, 0, 255})
	f.Add(bytes.Repeat([]byte{255, 3}, 40))
	f.Fuzz(func(t *testing.T, script []byte) {
		err := tryAll(t, fakeMethods[len(script)%len(fakeMethods)], func(cmd uint32, core, driver []byte) unix.Errno {
			if len(script) == 0 || cmd == cmdCreateChannel {
				return 0
			}
			n := int(script[0]) % 8 // bytes of this answer that change
			script = script[1:]
			for ; n > 0 && len(script) >= 3; n-- {
				b, at := core, int(script[1])
				if script[0]&1 != 0 {
					b = driver
				}
				if cmd == cmdGetContext {
					at |= 4
				}
				if at < len(b) {
					b[at] = script[2]
				}
				script = script[3:]
			}
			return 0
		})
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOMEM) && !errors.Is(err, unix.EOVERFLOW) && !errors.Is(err, param.ErrInvalid) {
			t.Fatal(err)
		}
	})
}
