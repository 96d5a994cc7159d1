//go:build !explore

package engine

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// spinEVD is one whose waiters spin; with WaitAdaptive for long.
func spinEVD(t testing.TB, m WaitMode, cqs ...hwcq.CQ) *EVD {
	t.Helper()
	e := newTestEngine(t, Config{Workers: 1, SpinBudget: time.Second, Watchdog: NoWatchdog})
	e.maxSpinning = 1 // with one P too
	d, err := e.NewEVD(EVDConfig{WaitMode: m, CQs: cqs, Mode: ModeEvent})
	require.NoError(t, err)
	return d
}

// spins returns when a waiter spins.
func spins(t testing.TB, d *EVD) {
	t.Helper()
	waitFor(t, func() bool { return d.load()&bOWN != 0 })
}

// A waiter that gets its events while it spins does not sleep, whether they are
// posted or come from a CQ, which is not armed; and who posts has nobody to wake.
func TestWaitSpins(t *testing.T) {
	const rounds = 200
	for _, m := range []WaitMode{WaitSpin, WaitAdaptive} {
		for _, feed := range []string{"post", "cq"} {
			t.Run(m.String()+"-"+feed, func(t *testing.T) {
				var cqs []hwcq.CQ
				cq := newTestCQ(t, mock.Config{})
				if feed == "cq" {
					cqs = append(cqs, cq)
				}
				d := spinEVD(t, m, cqs...)
				got := make(chan Event)
				go func() {
					buf := make([]Event, 1)
					for range rounds {
						if _, _, err := d.Wait(limit(t), 1, buf); err != nil {
							t.Error(err)
						}
						got <- buf[0]
					}
					close(got)
				}()
				for i := range uint64(rounds) {
					spins(t, d)
					if feed == "cq" {
						_, err := cq.Complete(hwcq.WC{WRID: i}, false)
						require.NoError(t, err)
					} else {
						require.NoError(t, d.Post(Event{WRID: i}))
					}
					require.Equal(t, i, (<-got).WRID)
				}
				<-got
				ends := d.Stats().Ends
				require.EqualValues(t, rounds, ends.Events)
				require.Zero(t, ends.Parked)
				require.LessOrEqual(t, ends.Spun, ends.Events)
				require.NotZero(t, ends.Spun)
				require.Zero(t, cq.Stats().Arms)
				require.False(t, d.tok.TryWait(), "nobody was owed a wake-up")
			})
		}
	}
}

// What ends a Wait ends one that spins.
func TestWaitSpinEnds(t *testing.T) {
	for _, m := range []WaitMode{WaitSpin, WaitAdaptive} {
		t.Run(m.String(), func(t *testing.T) {
			d := spinEVD(t, m)
			buf := make([]Event, 4)
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			defer cancel()
			_, _, err := d.Wait(ctx, 1, buf)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			n, _, err := d.WaitBatch(context.Background(), 2, time.Millisecond, buf)
			require.NoError(t, err)
			require.Zero(t, n)
			require.NoError(t, d.Post(Event{}))
			n, _, err = d.WaitBatch(context.Background(), 2, time.Millisecond, buf)
			require.NoError(t, err)
			require.Equal(t, 1, n, "what is there when the time is over")

			if m == WaitAdaptive {
				d.spinner.patience = newPatience(time.Second) // that was in vain, three times
			}
			got := make(chan error)
			begin := func(ctx context.Context) {
				go func() {
					_, _, err := d.Wait(ctx, 2, make([]Event, 2))
					got <- err
				}()
				spins(t, d)
			}
			ctx, cancel = context.WithCancel(context.Background())
			begin(ctx)
			cancel()
			require.ErrorIs(t, <-got, context.Canceled)
			begin(context.Background())
			require.NoError(t, d.Wake())
			require.ErrorIs(t, <-got, ErrWoken)
			begin(context.Background())
			require.NoError(t, d.SetUnwaitable())
			require.ErrorIs(t, <-got, ErrUnwaitable)
			require.NoError(t, d.ClearUnwaitable())

			// Beside one that spins nobody takes or enables.
			begin(context.Background())
			_, err = d.Dequeue(buf)
			require.ErrorIs(t, err, ErrWaiter)
			require.ErrorIs(t, d.ModifyUpcall(SingleInstance, func(*Upcall) {}), ErrWaiter)
			require.NoError(t, d.Post(Event{}))
			require.NoError(t, d.Post(Event{}))
			require.NoError(t, <-got)
			begin(context.Background())
			require.NoError(t, d.Close())
			require.ErrorIs(t, <-got, ErrClosed)
			require.Zero(t, d.e.spinning.Load())
			require.Zero(t, d.Stats().Ends.Parked)
		})
	}
}

// After Shutdown has begun one event is enough for a waiter that spins.
func TestWaitSpinShutdown(t *testing.T) {
	d := spinEVD(t, WaitSpin)
	got := make(chan int)
	go func() {
		n, _, err := d.Wait(limit(t), 3, make([]Event, 3))
		if err != nil {
			t.Error(err)
		}
		got <- n
	}()
	spins(t, d)
	require.NoError(t, d.Post(Event{}))
	go func() { _ = d.Shutdown(limit(t)) }()
	require.Equal(t, 1, <-got)
}

// A patience without events runs out, and then waiters sleep at once; events that
// come soon bring it back. It is told.
func TestWaitPatience(t *testing.T) {
	e := newTestEngine(t, Config{Workers: 1, SpinBudget: time.Microsecond, Watchdog: NoWatchdog})
	e.maxSpinning = 1
	d, err := e.NewEVD(EVDConfig{WaitMode: WaitAdaptive})
	require.NoError(t, err)
	q := d.Query()
	require.Equal(t, WaitAdaptive, q.WaitMode)
	require.Equal(t, time.Microsecond, q.WaitBudget)
	buf := make([]Event, 1)
	for n := 1; d.Query().WaitBudget > 0; n++ {
		require.Less(t, n, 100)
		ctx, cancel := context.WithTimeout(context.Background(), WakeCost()+time.Millisecond)
		_, _, err := d.Wait(ctx, 1, buf)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
	}
	require.NotZero(t, d.Stats().Ends.Parked)
	// A wake-up is never measured as shorter than it is.
	d.spinner.patience.wake = time.Hour
	got := make(chan error)
	go func() {
		_, _, err := d.Wait(limit(t), 1, buf)
		got <- err
	}()
	waitFor(t, func() bool { return d.load()&bWAIT != 0 })
	require.NoError(t, d.Post(Event{}))
	require.NoError(t, <-got)
	require.Positive(t, d.Query().WaitBudget)

	park, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	require.Equal(t, WaitPark, park.Query().WaitMode)
	require.Zero(t, park.Query().WaitBudget)
}

// One P is left for others: of two waiters with patience one sleeps, and what it
// learns from that is nothing.
func TestWaitSpinners(t *testing.T) {
	a := spinEVD(t, WaitAdaptive)
	b, err := a.e.NewEVD(EVDConfig{WaitMode: WaitAdaptive})
	require.NoError(t, err)
	got := make(chan error, 2)
	wait := func(d *EVD) {
		_, _, err := d.Wait(limit(t), 1, make([]Event, 1))
		got <- err
	}
	go wait(a)
	waitFor(t, func() bool { return a.e.spinning.Load() == 1 })
	go wait(b)
	waitFor(t, func() bool { return b.load()&bWAIT != 0 })
	require.NoError(t, b.Post(Event{}))
	require.NoError(t, <-got)
	require.NoError(t, a.Post(Event{}))
	require.NoError(t, <-got)
	require.Zero(t, a.e.spinning.Load())
	require.EqualValues(t, 1, b.Stats().Ends.Parked)
	require.Zero(t, a.Stats().Ends.Parked)
	require.Equal(t, time.Second, b.Query().WaitBudget)
}

// An EVD with a CQ of a thread's waits for it asleep: see newSpinner.
func TestWaitSpinThreadBound(t *testing.T) {
	d := &EVD{}
	src := &sources{direct: []*link{{poll: &poller{bond: &bond{cq: threadCQ{}}}}}}
	d.src.Store(src)
	require.Nil(t, d.newSpinner(WaitSpin))
	src.direct[0].poll.bond.cq = nil // pinned, no more
	require.NotNil(t, d.newSpinner(WaitSpin))
	require.Nil(t, d.newSpinner(WaitPark))
}

type threadCQ struct{ bound }

type bound = hwcq.ThreadBound

func TestWaitModeErrors(t *testing.T) {
	err := EVDConfig{WaitMode: 3}.Validate()
	require.ErrorIs(t, err, ErrInvalid)
	require.ErrorContains(t, err, "WaitMode = wait mode(3): must be WaitPark, WaitAdaptive or WaitSpin")
	require.Equal(t, "park adaptive spin", WaitPark.String()+" "+WaitAdaptive.String()+" "+WaitSpin.String())
}

// Of any number of posts to a waiter that sleeps one wakes it, once; and to one that
// is not asleep none does.
func TestWaitOneWake(t *testing.T) {
	const posts = 100
	e := newTestEngine(t, Config{Workers: 1, Watchdog: NoWatchdog})
	d, err := e.NewEVD(EVDConfig{})
	require.NoError(t, err)
	s := &signals{EVD: d}
	d.self = s
	require.NoError(t, d.Post(Event{}))
	require.Zero(t, s.n.Load(), "nobody waits")
	got := make(chan error)
	go func() {
		_, _, err := d.Wait(limit(t), 2, make([]Event, 2))
		got <- err
	}()
	waitFor(t, func() bool { return d.load()&bWAIT != 0 })
	for range posts {
		require.NoError(t, d.Post(Event{}))
	}
	require.NoError(t, <-got)
	require.EqualValues(t, 1, s.n.Load())
}

// signals counts the tokens for a waiter.
type signals struct {
	*EVD
	n atom.Counter
}

func (s *signals) signal() {
	s.n.Add(1)
	s.EVD.signal()
}
