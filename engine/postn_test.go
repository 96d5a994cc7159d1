package engine

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/atom"
)

// numbered are events with cookies from, from+1, ...
func numbered(from uint64, n int) []Event {
	evs := make([]Event, n)
	for i := range evs {
		evs[i].WRID = from + uint64(i)
	}
	return evs
}

// PostN accepts what there is room for, says how many, and delivers them in order.
func TestPostN(t *testing.T) {
	for _, c := range []struct {
		name string
		cfg  EVDConfig
	}{
		{"inline", EVDConfig{Dispatch: DispatchInline, Policy: SingleInstance}},
		{"queued", EVDConfig{Dispatch: DispatchQueued, Policy: SingleInstance}},
		{"traced", EVDConfig{Dispatch: DispatchInline, Policy: SingleInstance}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := Config{}
			if c.name == "traced" {
				cfg.Regions = true
			}
			e := newTestEngine(t, cfg)
			var got []Event
			var seen atom.Counter
			c.cfg.Capacity, c.cfg.Batch, c.cfg.Budget = 64, 4, 8
			c.cfg.Upcall = func(u *Upcall) {
				got = append(got, u.Events()...)
				seen.Add(uint64(len(u.Events())))
			}
			d, err := e.NewEVD(c.cfg)
			require.NoError(t, err)
			want := uint64(0)
			for _, n := range []int{1, 3, 4, 5, 8, 9, 30} {
				k, err := d.PostN(numbered(want, n))
				require.NoError(t, err)
				require.Equal(t, n, k)
				want += uint64(n)
				waitFor(t, func() bool { return seen.Load() == want })
			}
			for i, ev := range got {
				require.Equal(t, Event{WRID: uint64(i), Stream: Software, Number: SoftwareEvent, EVD: d.ID()}, ev)
			}
			st := d.Stats()
			require.EqualValues(t, 60, st.Posted)
			require.EqualValues(t, 60, st.Delivered)
			require.Equal(t, c.cfg.Dispatch == DispatchInline, st.Direct > 0)
			upcalls := uint64(0)
			for _, n := range st.Batches {
				upcalls += n
			}
			require.Equal(t, st.Upcalls, upcalls)
			require.NoError(t, d.Close())
			n, err := d.PostN(numbered(0, 1))
			require.Zero(t, n)
			require.ErrorIs(t, err, ErrClosed)
		})
	}
}

// The last ones are refused, and counted.
func TestPostNFull(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{Streams: Software, Capacity: 4})
	require.NoError(t, err)
	n, err := d.PostN(numbered(0, 3))
	require.NoError(t, err)
	require.Equal(t, 3, n)
	n, err = d.PostN(numbered(3, 3))
	require.ErrorIs(t, err, ErrFull)
	require.Equal(t, 1, n)
	n, err = d.PostN(numbered(4, 2))
	require.ErrorIs(t, err, ErrFull)
	require.Zero(t, n)
	require.EqualValues(t, 4, d.Stats().Rejected)
	buf := make([]Event, 8)
	n, err = d.Dequeue(buf)
	require.NoError(t, err)
	require.Equal(t, []uint64{0, 1, 2, 3}, cookies(buf[:n]))

	n, err = d.PostN(nil)
	require.NoError(t, err)
	require.Zero(t, n)
	_, err = stillEVD(t, nil, EVDConfig{Streams: CR}).PostN(numbered(0, 1))
	require.ErrorIs(t, err, ErrStream)
	require.ErrorContains(t, err, "PostN")
	var none *EVD
	_, err = none.PostN(numbered(0, 1))
	require.ErrorIs(t, err, ErrNilHandle)
}

// What finds the ring full goes to the list behind it.
func TestPostNSpill(t *testing.T) {
	d := stillEVD(t, nil, EVDConfig{Streams: Software, Capacity: 4, Overflow: OverflowSpill, SpillLimit: 4})
	n, err := d.PostN(numbered(0, 10))
	require.ErrorIs(t, err, ErrFull)
	require.Equal(t, 8, n)
	require.EqualValues(t, 4, d.Stats().Spilled)
	require.EqualValues(t, 2, d.Stats().Rejected)
	buf := make([]Event, 3)
	for want := uint64(0); want < 8; {
		n, err := d.Dequeue(buf)
		require.NoError(t, err)
		require.NotZero(t, n)
		for _, ev := range buf[:n] {
			require.Equal(t, want, ev.WRID)
			require.Equal(t, d.ID(), ev.EVD)
			want++
		}
	}
}

// A hand-off gives the upcall the poster's own slice, the first Batch of it.
func TestPostNInPlace(t *testing.T) {
	e := newTestEngine(t, Config{})
	evs := numbered(0, 4)
	var first *Event
	most := 0
	d, err := e.NewEVD(EVDConfig{
		Dispatch: DispatchInline, Policy: SingleInstance, Batch: 4,
		Upcall: func(u *Upcall) {
			first = &u.Events()[0]
			most = max(most, len(u.Events()))
		},
	})
	require.NoError(t, err)
	_, err = d.PostN(evs)
	require.NoError(t, err)
	require.Same(t, &evs[0], first)
	require.Equal(t, d.ID(), evs[3].EVD)
	evs = append(evs[:0], Event{Number: 7}, Event{WRID: 1})
	_, err = d.PostN(evs)
	require.NoError(t, err)
	require.Equal(t, Event{Number: 7, Stream: Software, EVD: d.ID()}, evs[0])
	require.Equal(t, Event{WRID: 1, Number: SoftwareEvent, Stream: Software, EVD: d.ID()}, evs[1])
	require.Equal(t, 4, most)
}

// A panic ends the upcall, not the post: the others wait, and Dequeue gets them.
func TestPostNPanic(t *testing.T) {
	e := newTestEngine(t, Config{})
	d, err := e.NewEVD(EVDConfig{
		Dispatch: DispatchInline, Policy: SingleInstance, Batch: 2,
		Upcall: func(*Upcall) { panic("boom") },
	})
	require.NoError(t, err)
	n, err := d.PostN(numbered(0, 5))
	require.NoError(t, err)
	require.Equal(t, 5, n)
	require.Len(t, d.LastPanic().Events, 2)
	buf := make([]Event, 8)
	n, err = d.Dequeue(buf)
	require.NoError(t, err)
	require.Equal(t, []uint64{2, 3, 4}, cookies(buf[:n]))
}

// Inside, nothing recurses and evs is not written to.
func TestPostNInside(t *testing.T) {
	e := newTestEngine(t, Config{})
	var got []uint64
	var handle *Upcall
	depth := 0
	d, err := e.NewEVD(EVDConfig{
		Dispatch: DispatchInline, Policy: SingleInstance,
		Upcall: func(u *Upcall) {
			depth++
			require.Equal(t, 1, depth)
			if len(got) == 0 {
				evs := numbered(1, 3)
				n, err := u.PostN(evs)
				require.NoError(t, err)
				require.Equal(t, 3, n)
				require.Equal(t, numbered(1, 3), evs)
				handle = u
			}
			got = append(got, cookies(u.Events())...)
			depth--
		},
	})
	require.NoError(t, err)
	require.NoError(t, d.Post(Event{}))
	require.Equal(t, []uint64{0, 1, 2, 3}, got)
	_, err = handle.PostN(numbered(0, 1))
	require.ErrorIs(t, err, ErrUpcallOver)
	require.Nil(t, handle.EVD())
}

// Every field of the poster's arrives, on each way: fill names them one by one.
func TestPostEveryField(t *testing.T) {
	var ev Event
	v := reflect.ValueOf(&ev).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); v.Type().Field(i).Name != "_" {
			f.SetUint(uint64(i) + 40)
		}
	}
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		e := newTestEngine(t, Config{})
		got := make(chan Event, 1)
		d, err := e.NewEVD(EVDConfig{Dispatch: disp, Policy: SingleInstance, Upcall: func(u *Upcall) { got <- u.Events()[0] }})
		require.NoError(t, err)
		want := ev
		want.Stream, want.EVD = Software, d.ID()
		require.NoError(t, d.Post(ev))
		require.Equal(t, want, <-got)
		_, err = d.PostN([]Event{ev})
		require.NoError(t, err)
		require.Equal(t, want, <-got)
	}
}

func TestZeroAllocPostN(t *testing.T) {
	for _, disp := range []Dispatch{DispatchInline, DispatchQueued} {
		t.Run(disp.String(), func(t *testing.T) {
			e := newTestEngine(t, Config{Workers: 1})
			var got atom.Counter
			d, err := e.NewEVD(EVDConfig{
				Dispatch: disp, Policy: SingleInstance, Batch: 8,
				Upcall: func(u *Upcall) { got.Add(uint64(len(u.Events()))) },
			})
			require.NoError(t, err)
			evs, n := numbered(0, 20), uint64(0)
			require.Zero(t, testing.AllocsPerRun(1000, func() {
				if k, err := d.PostN(evs); err != nil || k != len(evs) {
					t.Error("post failed")
				}
				for n += uint64(len(evs)); got.Load() != n; {
					atom.Spin()
				}
			}))
		})
	}
}
