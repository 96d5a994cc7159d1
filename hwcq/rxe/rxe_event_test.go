//go:build linux && (amd64 || arm64)

package rxe

import (
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// One arm is one event; arming twice is one arm; several completions after an
// arm are one event.
func TestRXEArmIsOneShot(t *testing.T) {
	a, b := newPair(t, needRXE(t), endConfig{}, ConnectConfig{})
	for i := range 20 {
		b.recv(t, uint64(i), 64)
	}
	require.False(t, b.arm(t, false))
	require.False(t, b.arm(t, false))
	b.noEvent(t)
	for range 3 {
		a.send(t, 1, 16, Signaled)
	}
	b.wait(t)
	b.expect(t, 3)
	a.expect(t, 3)
	b.noEvent(t)

	// Not armed: no event.
	a.send(t, 1, 16, 0)
	b.expect(t, 1)
	b.noEvent(t)

	// Unread events pile up in the channel; some kernels merge events that
	// follow each other quickly (6.1 does, 6.12 does not), none invents any.
	for range 10 {
		b.arm(t, false)
		a.send(t, 1, 16, 0)
		b.expect(t, 1)
	}
	time.Sleep(30 * time.Millisecond)
	n := b.events(t)
	require.Positive(t, n)
	require.LessOrEqual(t, n, 10)
}

// Arming does not look back, and says so: the lost wake-up's window, held
// open. A completion that comes between the last poll and the arm raises
// nothing, but Arm reports it.
func TestRXEArmDoesNotLookBack(t *testing.T) {
	a, b := newPair(t, needRXE(t), endConfig{}, ConnectConfig{})
	var dst [4]hwcq.WC
	for i := range 200 {
		b.recv(t, uint64(i), 64)
		require.Zero(t, b.cq.Poll(dst[:])) // the last poll, empty
		a.send(t, 1, 16, 0)                // the seam
		b.untilPending(t)
		require.True(t, b.arm(t, false), "round %d: a missed completion was not reported", i)
		ev, err := b.cq.Events().TryWait()
		require.NoError(t, err)
		require.False(t, ev, "round %d: the arm looked back", i)
		require.Equal(t, 1, b.cq.Poll(dst[:]))
		// The arm is still pending: the next completion uses it up.
		b.recv(t, uint64(i), 64)
		a.send(t, 1, 16, 0)
		b.wait(t)
		b.expect(t, 1)
	}
}

// The correct order never sleeps over a completion: arm, look again, and only
// then wait. The sender strikes at every point by turns.
func TestRXENoLostWakeup(t *testing.T) {
	a, b := newPair(t, needRXE(t), endConfig{}, ConnectConfig{})
	const rounds = 300
	strike := make([]chan struct{}, 3)
	for i := range strike {
		strike[i] = make(chan struct{})
	}
	struck := make(chan struct{})
	go func() {
		for i := range rounds {
			<-strike[i%3]
			if a.qp.PostSend(&SendWR{Op: OpSend, Flags: Inline}) != nil {
				close(struck)
				return
			}
			struck <- struct{}{}
		}
	}()
	var dst [4]hwcq.WC
	for i := range rounds {
		landed := false // an event of an earlier round repeats the loop below
		hit := func(at int) {
			if i%3 == at && !landed {
				landed = true
				strike[at] <- struct{}{}
				<-struck
				if at == 1 {
					time.Sleep(100 * time.Microsecond) // sometimes lands, sometimes not
				}
			}
		}
		b.recv(t, uint64(i), 64)
		hit(0) // before the last poll
		n := b.cq.Poll(dst[:])
		hit(1) // between poll and arm
		for n == 0 {
			b.arm(t, false)
			hit(2) // after the arm
			if n = b.cq.Poll(dst[:]); n == 0 {
				b.wait(t)
				n = b.cq.Poll(dst[:]) // 0: an event of an earlier round
			}
		}
		require.Equal(t, 1, n)
	}
}

func TestRXESolicited(t *testing.T) {
	a, b := newPair(t, needRXE(t), endConfig{}, ConnectConfig{})
	for i := range 10 {
		b.recv(t, uint64(i), 64)
	}
	b.arm(t, true)
	a.send(t, 1, 16, 0)
	b.expect(t, 1)
	b.noEvent(t)
	a.send(t, 1, 16, Solicited)
	b.wait(t)
	b.expect(t, 1)

	// "Next" is not weakened by "solicited only".
	b.arm(t, false)
	b.arm(t, true)
	a.send(t, 1, 16, 0)
	b.wait(t)
	b.expect(t, 1)
}

// eachWait runs a test with each way of sleeping.
func eachWait(t *testing.T, test func(t *testing.T, d *Device, c endConfig)) {
	d := needRXE(t)
	for _, how := range []WaitMethod{WaitRead, WaitPoll, WaitRuntime} {
		t.Run(how.String(), func(t *testing.T) {
			test(t, d, endConfig{cq: CQConfig{Wait: how}})
		})
	}
}

// A wake is no event, is sticky and coalesces, and TryWait leaves it.
func TestRXEWake(t *testing.T) {
	eachWait(t, func(t *testing.T, d *Device, c endConfig) {
		a, b := newPair(t, d, c, ConnectConfig{})
		require.Equal(t, c.cq.Wait, b.cq.WaitMethod())
		src := b.cq.Events()
		require.Equal(t, src, b.cq.Events())
		isWake := func() {
			t.Helper()
			ev, err := src.Wait()
			require.NoError(t, err)
			require.False(t, ev)
		}
		for range 5 {
			src.Wake()
			src.Wake()
			b.noEvent(t)
			isWake()
			// Coalesced: what comes next is an event.
			b.recv(t, 1, 64)
			b.arm(t, false)
			a.send(t, 1, 16, 0)
			b.wait(t)
			b.expect(t, 1)
		}
		for range 5 {
			go func() {
				time.Sleep(10 * time.Millisecond)
				src.Wake()
			}()
			isWake()
		}
	})
}

// Every wake is answered, whatever Wait is doing when it comes.
func TestRXEWakeRace(t *testing.T) {
	eachWait(t, func(t *testing.T, d *Device, c endConfig) {
		e := newEnd(t, d, c)
		const rounds = 500
		answered := make(chan struct{})
		res := make(chan error, 1)
		go func() {
			for range rounds {
				if _, err := e.cq.Events().Wait(); err != nil {
					res <- err
					return
				}
				answered <- struct{}{}
			}
			res <- nil
		}()
		for i := range rounds {
			e.cq.Events().Wake()
			select {
			case <-answered:
			case <-time.After(patience):
				t.Fatalf("wake %d was lost", i)
			}
		}
		require.NoError(t, <-res)
	})
}

// A second waiter is refused; TryWait beside a waiter finds nothing and does
// not block.
func TestRXEOneWaiter(t *testing.T) {
	eachWait(t, func(t *testing.T, d *Device, c endConfig) {
		e := newEnd(t, d, c)
		res := make(chan error)
		go func() {
			_, err := e.cq.Events().Wait()
			res <- err
		}()
		require.Eventually(t, func() bool { return e.cq.src.reader.Load() == readerWait }, patience, time.Millisecond)
		_, err := e.cq.Events().Wait()
		require.ErrorIs(t, err, hwcq.ErrBusy)
		ev, err := e.cq.Events().TryWait()
		require.NoError(t, err)
		require.False(t, ev)
		e.cq.Events().Wake()
		require.NoError(t, <-res)
	})
}

// Close gets a blocked Wait out, with events unread, and accounts for all
// that were read.
func TestRXECloseBesideWait(t *testing.T) {
	eachWait(t, func(t *testing.T, d *Device, c endConfig) {
		for range 10 {
			a, b := newPair(t, d, c, ConnectConfig{})
			for i := range 4 {
				b.recv(t, uint64(i), 64)
				b.arm(t, false)
				a.send(t, 1, 16, 0)
				b.expect(t, 1)
				b.wait(t)
			}
			b.recv(t, 9, 64)
			b.arm(t, false)
			a.send(t, 1, 16, 0) // its event may stay unread
			res := make(chan error)
			go func() {
				for {
					if _, err := b.cq.Events().Wait(); err != nil {
						res <- err
						return
					}
				}
			}()
			b.cq.Events().Wake()
			require.NoError(t, b.qp.Close())
			require.NoError(t, b.cq.Close())
			require.ErrorIs(t, <-res, hwcq.ErrClosed)
			require.Zero(t, b.cq.unacked, "events handed out and not read")
			require.Zero(t, b.cq.src.stray.Load())
			b.cq.Events().Wake()
			_, err := b.cq.Events().TryWait()
			require.ErrorIs(t, err, hwcq.ErrClosed)
		}
	})
}

// Close beside a poller in full swing: nothing faults.
func TestRXECloseBesidePoller(t *testing.T) {
	d := needRXE(t)
	for range 10 {
		a, b := newPair(t, d, endConfig{}, ConnectConfig{})
		for i := range 50 {
			b.recv(t, uint64(i), 64)
		}
		var wg sync.WaitGroup
		stop := make(chan struct{})
		loop := func(body func()) {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						body()
					}
				}
			})
		}
		var dst [4]hwcq.WC
		loop(func() {
			for _, wc := range dst[:b.cq.Poll(dst[:])] {
				if wc.QPNum != b.qp.Num() {
					t.Errorf("%+v", wc)
				}
			}
		})
		loop(func() {
			b.cq.Pending()
			_, _ = b.cq.Arm(false)
			_, _ = b.cq.Events().TryWait()
		})
		loop(func() {
			_ = b.qp.PostRecv(&RecvWR{SGL: []SGE{b.mr.SGE(0, 64)}})
			_ = a.qp.PostSend(&SendWR{Op: OpSend, Flags: Inline})
		})
		time.Sleep(5 * time.Millisecond)
		require.NoError(t, b.qp.Close())
		require.NoError(t, b.cq.Close())
		require.NoError(t, a.qp.Close())
		require.NoError(t, a.cq.Close())
		close(stop)
		wg.Wait()
	}
}
