package engine

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// Connection events go ahead of completions and software events where that is asked
// for, in order among themselves; they have Capacity places of their own.
func TestUrgent(t *testing.T) {
	for _, disp := range []Dispatch{DispatchAuto, DispatchQueued} {
		for _, prio := range []bool{false, true} {
			cq := newTestCQ(t, mock.Config{})
			e := newTestEngine(t, Config{Workers: 1})
			var left int
			d, err := e.NewEVD(EVDConfig{
				CQs: []hwcq.CQ{cq}, Streams: DTO | Software | Connection, Mode: ModeEvent, Dispatch: disp,
				Capacity: 4, Priority: prio, Leftovers: func(evs []Event) { left += len(evs) },
			})
			require.NoError(t, err)
			cm := func(n uint64) error {
				return d.PostCM(Event{Stream: Connection, Number: PeerRejected, WRID: n})
			}
			_, err = cq.Complete(hwcq.WC{WRID: 1}, false)
			require.NoError(t, err)
			require.NoError(t, d.Post(Event{WRID: 2}))
			require.NoError(t, cm(3))
			require.NoError(t, d.Post(Event{WRID: 4}))
			require.NoError(t, cm(5))
			require.Equal(t, 5, d.Query().Pending)
			got := wrids(t, d)
			if prio {
				require.Equal(t, []uint64{3, 5}, got[:2])
				require.ElementsMatch(t, []uint64{1, 2, 4}, got[2:])
			} else {
				require.Less(t, indexOf(got, 2), indexOf(got, 3))
				require.ElementsMatch(t, fromTo(1, 5), got)
			}
			// A completion alone on its CQ is passed too.
			_, err = cq.Complete(hwcq.WC{WRID: 6}, false)
			require.NoError(t, err)
			require.NoError(t, cm(7))
			got = wrids(t, d)
			require.ElementsMatch(t, fromTo(6, 7), got)
			if prio {
				require.Equal(t, []uint64{7, 6}, got)
			}
			for n := range uint64(4) {
				require.NoError(t, cm(n))
			}
			require.ErrorIs(t, cm(9), ErrFull)
			require.EqualValues(t, 9, d.Stats().Posted)
			require.EqualValues(t, 1, d.Stats().Rejected)
			if prio {
				require.NoError(t, d.Post(Event{}), "the ring has room")
				left--
			}
			require.NoError(t, d.Close())
			require.Equal(t, 4, left)
			require.ErrorIs(t, cm(9), ErrClosed)
			var ev [1]Event
			n, err := e.Async().Dequeue(ev[:])
			require.NoError(t, err)
			require.Equal(t, 1, n)
			require.Equal(t, EVDOverflow, ev[0].Number)
		}
	}
}

func indexOf(s []uint64, v uint64) int {
	for i := range s {
		if s[i] == v {
			return i
		}
	}
	return -1
}
