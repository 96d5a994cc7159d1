//go:build linux && (amd64 || arm64)

package uring_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/uring"
	"github.com/evdengine/evd/internal/atom"
)

// change does one thing to one seat.
func (s *soak) change(w *soakSeat) {
	g := s.g
	d := w.life.Load().d
	var err error
	switch k := g.IntN(12); {
	case k < 3:
		if s.shared != nil {
			err = s.shared.SetMode(s.mode())
		} else {
			err = d.SetMode(s.mode())
		}
	case k < 7:
		if err = d.ModifyUpcall([]engine.Policy{engine.Disable, engine.Teardown}[g.IntN(2)], engine.Same); err == nil {
			s.dequeue(w.life.Load())
			s.enable(d)
		}
	case k < 10:
		if err = d.ModifyUpcall(engine.Teardown, engine.Same); err == nil {
			s.wait(w.life.Load())
			s.enable(d)
		}
	case k < 11:
		s.enable(d)
	default:
		s.reopen(w)
	}
	if err != nil {
		s.t.Errorf("change: %v", err)
	}
}

func (s *soak) dequeue(l *soakLife) {
	var buf [16]engine.Event
	for range s.g.IntN(30) {
		n, err := l.d.Dequeue(buf[:1+s.g.IntN(len(buf))])
		s.take(l, buf[:n], &s.sum.dequeued)
		if err != nil && !errors.Is(err, engine.ErrBusy) {
			s.t.Errorf("dequeue: %v", err)
		}
		runtime.Gosched()
	}
}

func (s *soak) wait(l *soakLife) {
	var buf [16]engine.Event
	for range s.g.IntN(6) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(s.g.IntN(500))*time.Microsecond)
		n, _, err := l.d.Wait(ctx, 1+s.g.IntN(3), buf[:])
		cancel()
		s.take(l, buf[:n], &s.sum.dequeued)
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			s.t.Errorf("wait: %v", err)
		}
	}
}

// reopen makes a new EVD of the seat. What the old one has not taken is left over, or
// stays on the ring for the new one; of a shared CQ it has taken everything before. The EVD with
// an owner's ring to itself cannot be followed by another.
func (s *soak) reopen(w *soakSeat) {
	if s.shared == nil {
		if s.shape == uring.Portable {
			d := w.life.Load().d
			if s.g.IntN(2) == 0 {
				require.NoError(s.t, d.ModifyUpcall(engine.Disable, engine.Same))
				s.pause() // what a pump moves now is left over
			}
			require.NoError(s.t, d.Close())
			s.open(w)
		}
		return
	}
	w.lock.Lock()
	defer w.lock.Unlock()
	s.finish(w)
	s.open(w)
}

// finish closes the EVD of a shared CQ when nothing of it is outstanding: what no
// credit tells of has no queue pair.
func (s *soak) finish(w *soakSeat) {
	l := w.life.Load()
	for l.credits.Free() < l.credits.Limit() && !s.t.Failed() {
		s.unblock()
		s.pause()
	}
	require.NoError(s.t, l.d.Close())
}

// pause lets others go on; now and then it sleeps, so that a request has the time to
// complete.
func (s *soak) pause() {
	if s.g.IntN(8) == 0 {
		time.Sleep(50 * time.Microsecond)
	}
	runtime.Gosched()
}

// unblock has the receives end for which no send comes, and the sends for which nobody
// receives.
func (s *soak) unblock() {
	if unix.Send(s.b, []byte{1}, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL) != nil { // full: nobody receives
		// All of it: who waits to send is told when most of the room is free.
		_, _, _ = unix.Recvfrom(s.a, make([]byte, 1<<16), unix.MSG_DONTWAIT) // fails if somebody does after all
	}
}

func (s *soak) run() {
	hung := time.AfterFunc(soakHang, func() {
		s.t.Errorf("hangs: %d accepted, %d came; %v %+v; shared CQ: %v; EVD %+v", s.in.Load(), s.out.Load(),
			s.shape, s.ring.Stats(), s.shared != nil, s.seats[0].life.Load().d.Stats())
	})
	defer hung.Stop()
	var submitters sync.WaitGroup
	var submitted atom.Bool
	for _, w := range s.seats {
		for range 3 - len(s.seats)/2 {
			g := rand.New(rand.NewPCG(s.g.Uint64(), 0))
			submitters.Go(func() { s.submitter(w, g) })
		}
	}
	go func() { submitters.Wait(); submitted.Store(true) }()
	early := uint64(s.g.IntN(2 * soakRound)) // half of the rounds end amid the traffic
	for !submitted.Load() && s.in.Load() < early && !s.t.Failed() {
		before := s.out.Load()
		s.change(s.seats[s.g.IntN(len(s.seats))])
		if s.out.Load() == before {
			s.unblock() // the ring may be full of receives
		}
		for range s.g.IntN(30) {
			runtime.Gosched()
		}
	}
	if s.shared == nil && !submitted.Load() {
		require.NoError(s.t, s.seats[0].life.Load().d.Close())
	}
	s.stop.Store(true)
	submitters.Wait()
	s.settle()
	s.end()
}

// settle closes the EVDs. Where traffic is over, everything that was accepted must come
// by itself before.
func (s *soak) settle() {
	if s.shared != nil {
		for _, w := range s.seats {
			s.finish(w)
		}
		require.NoError(s.t, s.shared.Close())
		require.Zero(s.t, s.shared.Stats().Unrouted)
		return
	}
	d := s.seats[0].life.Load().d
	for s.in.Load() > s.out.Load() && !s.t.Failed() {
		if err := d.ModifyUpcallAny(engine.SingleInstance, engine.Same); errors.Is(err, engine.ErrClosed) {
			break
		}
		s.unblock()
		s.pause()
	}
	require.NoError(s.t, d.Close())
}

// end takes what is on the ring still, and compares.
func (s *soak) end() {
	if s.t.Failed() {
		return
	}
	var wcs [16]hwcq.WC
	for {
		n := s.ring.Poll(wcs[:])
		for _, wc := range wcs[:n] {
			s.took(wc, &s.sum.onRing)
		}
		if n == 0 && s.ring.Stats().InFlight == 0 || s.t.Failed() {
			break
		}
		s.unblock()
		s.pause()
	}
	st := s.ring.Stats()
	require.NoError(s.t, s.e.Close())
	require.NoError(s.t, s.ring.Close())
	require.NoError(s.t, errors.Join(unix.Close(s.zero), unix.Close(s.a), unix.Close(s.b)))
	require.Equal(s.t, s.in.Load(), s.out.Load())
	require.Equal(s.t, s.in.Load(), st.Submitted)
	require.Equal(s.t, s.in.Load(), st.Completed)
	require.Zero(s.t, st.Lost)
	require.Zero(s.t, st.Strange)
	for i := range s.accepted {
		require.Equal(s.t, s.accepted[i].Load(), s.seen[i].Load(), "requests from %d on", 64*i)
	}
	s.sum.accepted.Add(s.in.Load())
}
