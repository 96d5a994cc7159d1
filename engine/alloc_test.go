package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// Nothing is allocated between a CQ's poll or a Post and the upcall's return.
// AllocsPerRun counts the whole process, so the other goroutines are in it.

func TestZeroAllocPost(t *testing.T) {
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			e := newTestEngine(t, Config{Workers: 1})
			var got atom.Counter
			d, err := e.NewEVD(EVDConfig{
				Dispatch: disp, Policy: SingleInstance,
				Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) },
			})
			require.NoError(t, err)
			n := uint64(0)
			require.Zero(t, testing.AllocsPerRun(1000, func() {
				if d.Post(Event{WRID: n}) != nil {
					t.Error("post failed")
				}
				for n++; got.Load() != n; {
					atom.Spin()
				}
			}))
		})
	}
}

func TestZeroAllocPoll(t *testing.T) {
	for _, mode := range []Mode{ModeSpin, ModeEvent, ModeAdaptive} {
		for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
			t.Run(mode.String()+"/"+disp.String(), func(t *testing.T) {
				cq := newTestCQ(t, mock.Config{})
				e := newTestEngine(t, Config{Workers: 1})
				var got atom.Counter
				d, err := e.NewEVD(EVDConfig{
					CQs: []hwcq.CQ{cq}, Mode: mode, Dispatch: disp, Policy: SingleInstance,
					Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) },
				})
				require.NoError(t, err)
				n := uint64(0)
				require.Zero(t, testing.AllocsPerRun(1000, func() {
					if _, err := cq.Complete(hwcq.WC{WRID: n}, false); err != nil {
						t.Error(err)
					}
					for n++; got.Load() != n; {
						atom.Spin()
					}
				}))
				require.NoError(t, d.Close())
			})
		}
	}
}

func TestZeroAllocDequeue(t *testing.T) {
	cq := newTestCQ(t, mock.Config{})
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{CQs: []hwcq.CQ{cq}, Streams: DTO | Software, Mode: ModeEvent})
	require.NoError(t, err)
	buf := make([]Event, 4)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		_ = d.Post(Event{})
		_, _ = cq.Complete(hwcq.WC{}, false)
		for got := 0; got < 2; {
			n, err := d.Dequeue(buf)
			if err != nil {
				t.Error(err)
			}
			got += n
		}
	}))
}

// Nor where the poller lingers, nor for what it does not hear of on the CQ.
func TestZeroAllocExclusive(t *testing.T) {
	for _, mode := range []Mode{ModeSpin, ModeEvent, ModeAdaptive} {
		t.Run(mode.String(), func(t *testing.T) {
			e := newTestEngine(t, Config{Workers: 1})
			var got atom.Counter
			d, cq := newExclusive(t, e, EVDConfig{Mode: mode, Policy: SingleInstance}, func(u *Upcall) {
				got.Add(uint64(len(u.Events())))
			})
			n := uint64(0)
			require.Zero(t, testing.AllocsPerRun(1000, func() {
				if _, err := cq.Complete(hwcq.WC{WRID: n}, false); err != nil {
					t.Error(err)
				}
				if n%8 == 0 {
					n++
					if err := d.Post(Event{}); err != nil {
						t.Error(err)
					}
				}
				for n++; got.Load() != n; {
					atom.Spin()
				}
			}))
		})
	}
}
