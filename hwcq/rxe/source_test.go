//go:build linux && (amd64 || arm64)

package rxe

import (
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// fakeMethods are the ways of sleeping that a fake channel has. (WaitRead needs the
// device, to be woken.)
var fakeMethods = []WaitMethod{WaitPoll, WaitRuntime}

// eachFake runs a test with each of them.
func eachFake(t *testing.T, test func(t *testing.T, open func() *fakeChannel)) {
	for _, how := range fakeMethods {
		t.Run(how.String(), func(t *testing.T) {
			test(t, func() *fakeChannel {
				c := newFakeChannel(t, 7, how)
				require.Equal(t, how, c.method())
				return c
			})
		})
	}
}

// fakeChannel is a source whose completion channel is a packet socket, with
// the test at the kernel's end.
type fakeChannel struct {
	source
	kernel int
}

func newFakeChannel(t testing.TB, cq uint64, how WaitMethod) *fakeChannel {
	t.Helper()
	p, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	require.NoError(t, err)
	c := &fakeChannel{kernel: p[1]}
	c.fd, c.wakeFD, c.cq, c.g = p[0], -1, cq, newGuard()
	if how == WaitRuntime {
		require.NoError(t, c.openRuntime())
	} else {
		c.wakeFD, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		_ = unix.Close(p[1])
		if !c.g.closed() {
			_ = c.stop()
			_ = c.closeAll()
		}
	})
	return c
}

// event is what the kernel does when an armed CQ gets a completion.
func (c *fakeChannel) event(id uint64) {
	if _, err := unix.Write(c.kernel, le.AppendUint64(nil, id)); err != nil {
		panic(err)
	}
}

func TestSourceEvents(t *testing.T) {
	eachFake(t, func(t *testing.T, open func() *fakeChannel) {
		c := open()
		ev, err := c.TryWait()
		require.NoError(t, err)
		require.False(t, ev)

		c.event(7)
		c.event(8) // of some CQ that is gone
		c.event(7)
		ev, err = c.Wait()
		require.NoError(t, err)
		require.True(t, ev)
		ev, err = c.TryWait()
		require.NoError(t, err)
		require.True(t, ev, "the stray event is skipped, the next one found")
		require.EqualValues(t, 2, c.got.Load())
		require.EqualValues(t, 1, c.stray.Load())
		ev, _ = c.TryWait()
		require.False(t, ev)
	})
}

func TestSourceWakeIsStickyAndCoalesces(t *testing.T) {
	eachFake(t, func(t *testing.T, open func() *fakeChannel) {
		c := open()
		for range 3 {
			c.Wake()
			c.Wake()
			ev, err := c.TryWait()
			require.NoError(t, err)
			require.False(t, ev, "a wake is no event, and TryWait leaves it")
			ev, err = c.Wait()
			require.NoError(t, err)
			require.False(t, ev)
			// Coalesced: the next Wait sees only what comes now.
			c.event(7)
			ev, err = c.Wait()
			require.NoError(t, err)
			require.True(t, ev)
		}
	})
}

// No wake is lost, whatever Wait is doing when it comes: each one is answered
// by a return of Wait that began before or after it.
func TestSourceWakeRace(t *testing.T) {
	eachFake(t, func(t *testing.T, open func() *fakeChannel) {
		c := open()
		const rounds = 3000
		answered := make(chan struct{})
		done := make(chan error, 1)
		go func() {
			for range rounds {
				if ev, err := c.Wait(); err != nil || ev {
					done <- errors.Join(errors.New("not a wake"), err)
					return
				}
				answered <- struct{}{}
			}
			done <- nil
		}()
		for range rounds {
			c.Wake() // the previous one was answered, so this one must be too
			<-answered
		}
		require.NoError(t, <-done)
	})
}

// Events and wakes mixed, several wakers: all events arrive.
func TestSourceEventsBesideWakes(t *testing.T) {
	eachFake(t, func(t *testing.T, open func() *fakeChannel) {
		c := open()
		const events = 2000
		var wg sync.WaitGroup
		stop := make(chan struct{})
		for range 2 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						c.Wake()
						runtime.Gosched()
					}
				}
			})
		}
		wg.Go(func() {
			for i := 0; i < events; {
				if _, err := unix.Write(c.kernel, le.AppendUint64(nil, 7)); err == nil {
					i++
				} else {
					runtime.Gosched()
				}
			}
		})
		for n := 0; n < events; {
			ev, err := c.Wait()
			require.NoError(t, err)
			if ev {
				n++
			}
		}
		close(stop)
		wg.Wait()
	})
}

func TestSourceStop(t *testing.T) {
	eachFake(t, func(t *testing.T, open func() *fakeChannel) {
		for range 50 {
			c := open()
			entered := make(chan struct{})
			res := make(chan error)
			go func() {
				close(entered)
				_, err := c.Wait()
				res <- err
			}()
			<-entered
			require.NoError(t, c.stop()) // returns only after the waiter left
			require.NoError(t, c.closeAll())
			require.ErrorIs(t, <-res, hwcq.ErrClosed)
			_, err := c.Wait()
			require.ErrorIs(t, err, hwcq.ErrClosed)
			_, err = c.TryWait()
			require.ErrorIs(t, err, hwcq.ErrClosed)
			c.Wake() // does nothing, above all not to a reused fd
		}
	})
}

// A channel that breaks is an error, not a spin or a hang.
func TestSourceBrokenChannel(t *testing.T) {
	eachFake(t, func(t *testing.T, open func() *fakeChannel) {
		c := open()
		if _, err := unix.Write(c.kernel, []byte{1, 2, 3}); err != nil {
			t.Fatal(err)
		}
		_, err := c.Wait()
		require.ErrorIs(t, err, ErrCorrupt)

		require.NoError(t, unix.Shutdown(c.kernel, unix.SHUT_WR))
		_, err = c.Wait()
		require.ErrorIs(t, err, ErrCorrupt, "end of file")
	})
}

func TestSourceDoesNotAllocate(t *testing.T) {
	eachFake(t, func(t *testing.T, open func() *fakeChannel) {
		c := open()
		msg := le.AppendUint64(nil, 7)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			_, _ = c.TryWait()
			_, _ = unix.Write(c.kernel, msg)
			if ev, err := c.Wait(); !ev || err != nil {
				t.Error(ev, err)
			}
			c.Wake()
			if ev, err := c.Wait(); ev || err != nil {
				t.Error(ev, err)
			}
		}))
	})
}
