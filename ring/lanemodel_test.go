package ring

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/evdengine/evd/internal/atom"
)

// laneModel is a lane told sequentially: the events that are in it, and of the credit
// that it is exact after an empty look or Return.
type laneModel struct {
	t      *rapid.T
	l      *Lane[uint32]
	pos    uint64 // position of the oldest event
	vals   []uint32
	next   uint32
	closed bool
	given  bool // all credit was returned and nothing consumed since
}

// room judges the answer to a request for n.
func (m *laneModel) room(st Status, n int) {
	m.t.Helper()
	switch {
	case m.closed:
		require.Equal(m.t, Closed, st)
	case n < 1 || n > m.l.Cap():
		require.Equal(m.t, Full, st, "%d never fits", n)
	case len(m.vals)+n <= m.l.Cap():
		require.Equal(m.t, OK, st, "%d with %d in the lane", n, len(m.vals))
	case len(m.vals)+n > int(m.l.size):
		require.Equal(m.t, Full, st, "%d with %d in %d slots", n, len(m.vals), m.l.size)
	}
}

func (m *laneModel) values(n int) []uint32 {
	vs := make([]uint32, max(n, 0))
	for i := range vs {
		m.next++
		vs[i] = m.next
	}
	return vs
}

// in is the slots of a claim filled with values, one way or the other, and committed.
func (m *laneModel) in(c Claim, way int) {
	vs := m.values(c.Len())
	if way%2 == 0 {
		for i, v := range vs {
			*m.l.Slot(c, i) = v
		}
	} else {
		n := copy(m.l.Slots(c, 0), vs)
		require.Equal(m.t, len(vs)-n, copy(m.l.Slots(c, n), vs[n:]))
	}
	require.Equal(m.t, len(m.vals), m.l.Len(), "not committed")
	if way%4 < 2 {
		m.l.Commit(c)
	} else {
		m.l.CommitRelease(c)
	}
	m.vals = append(m.vals, vs...)
}

func (m *laneModel) pushed(ok bool, vs []uint32) {
	if ok {
		m.vals = append(m.vals, vs...)
	}
}

func (m *laneModel) out(got []uint32) {
	m.t.Helper()
	if len(got) > len(m.vals) || !slices.Equal(got, m.vals[:len(got)]) {
		m.t.Fatalf("%v came out of %v", got, m.vals)
	}
	m.vals = m.vals[len(got):]
	m.pos += uint64(len(got))
	if len(got) > 0 {
		m.given = m.l.slack == 0
	}
}

func (m *laneModel) empty() {
	m.t.Helper()
	require.Empty(m.t, m.vals)
	m.given = true
}

func (m *laneModel) check() {
	require.Equal(m.t, len(m.vals), m.l.Len())
	require.Equal(m.t, m.pos+uint64(len(m.vals)), m.l.Accepted())
	require.Equal(m.t, m.closed, m.l.Closed())
	if m.l.Idle() {
		require.Empty(m.t, m.vals)
	} else {
		require.False(m.t, len(m.vals) == 0 && m.given, "not Idle, but empty and all credit returned")
	}
	held := m.l.Held()
	require.GreaterOrEqual(m.t, held, len(m.vals))
	require.LessOrEqual(m.t, held, len(m.vals)+int(m.l.slack))
}

func (m *laneModel) actions(capacity int) map[string]func(*rapid.T) {
	draw := func(low, high int, name string) int { return rapid.IntRange(low, high).Draw(m.t, name) }
	l := m.l
	return map[string]func(*rapid.T){
		"": func(*rapid.T) { m.check() },
		"push": func(*rapid.T) {
			vs := m.values(1)
			st := l.Push(&vs[0])
			m.room(st, 1)
			m.pushed(st == OK, vs)
		},
		"tryPush": func(*rapid.T) {
			vs := m.values(1)
			ok := l.TryPush(&vs[0])
			m.room(map[bool]Status{true: OK, false: l.refuse()}[ok], 1)
			m.pushed(ok, vs)
		},
		"pushN": func(*rapid.T) {
			vs := m.values(draw(1, capacity+1, "n"))
			st := l.PushN(vs)
			m.room(st, len(vs))
			m.pushed(st == OK, vs)
		},
		"reserve": func(*rapid.T) {
			n := draw(-1, capacity+1, "n")
			c, st := l.Reserve(n)
			m.room(st, n)
			if way := draw(0, 4, "way"); st == OK && way < 4 { // else it is dropped
				require.Equal(m.t, n, c.Len())
				m.in(c, way)
			}
		},
		"tryReserve": func(*rapid.T) {
			n := draw(-1, capacity+1, "n")
			c, ok := l.TryReserve(n)
			m.room(map[bool]Status{true: OK, false: l.refuse()}[ok], n)
			if ok {
				m.in(c, draw(0, 3, "way"))
			}
		},
		"reserveUpTo": func(*rapid.T) {
			n := draw(-1, 2*capacity, "n")
			c, st := l.ReserveUpTo(n)
			m.room(st, min(n, 1))
			if st == OK {
				k := c.Len()
				require.True(m.t, k >= 1 && k <= n && (k == n || len(m.vals)+k >= capacity), "%d of %d with %d in the lane", k, n, len(m.vals))
				m.in(c, draw(0, 3, "way"))
			}
		},
		"pop": func(*rapid.T) {
			v := ^uint32(0)
			if l.Pop(&v) == Empty {
				require.Equal(m.t, ^uint32(0), v)
				m.empty()
				return
			}
			m.out([]uint32{v})
		},
		"tryPop": func(*rapid.T) {
			var v uint32
			if !l.TryPop(&v) {
				require.Empty(m.t, m.vals)
				return
			}
			m.out([]uint32{v})
		},
		"popN": func(*rapid.T) {
			dst := make([]uint32, draw(0, capacity+1, "n"))
			n := l.PopN(dst)
			require.False(m.t, n == 0 && len(dst) > 0 && len(m.vals) > 0)
			m.out(dst[:n])
		},
		"ready": func(*rapid.T) {
			limit, advance := draw(-1, capacity+1, "limit"), draw(-1, capacity+1, "advance")
			got := append([]uint32{}, l.Ready(limit)...)
			require.False(m.t, len(got) == 0 && limit > 0 && len(m.vals) > 0)
			require.LessOrEqual(m.t, len(got), max(limit, 0))
			k := 0
			var v uint32
			if draw(0, 3, "between") == 0 && l.TryPop(&v) { // counts against what Advance may take
				m.out([]uint32{v})
				k = min(1, len(got))
			}
			l.Advance(advance)
			m.out(got[k:][:max(0, min(advance, len(got)-k))])
		},
		"tryPeek": func(*rapid.T) {
			p := l.TryPeek()
			require.Equal(m.t, len(m.vals) == 0, p == nil)
			if p != nil {
				v := *p
				l.Advance(2)
				m.out([]uint32{v})
			}
		},
		"look": func(*rapid.T) {
			if l.Look() == Empty {
				m.empty()
			} else {
				require.NotEmpty(m.t, m.vals)
			}
		},
		"return": func(*rapid.T) { l.Return(); m.given = true },
		"close": func(t *rapid.T) {
			if draw(0, 15, "rarely") > 0 { // it ends the fun
				t.Skip()
			}
			l.Close()
			m.closed = true
		},
	}
}

// TestLaneModel runs sequences of operations on a lane and on the model.
func TestLaneModel(t *testing.T) {
	for range 10 { // of a hundred sequences each
		rapid.Check(t, func(t *rapid.T) {
			capacity := rapid.IntRange(1, 20).Draw(t, "capacity")
			pos := rapid.OneOf(rapid.SampledFrom(positions), rapid.Uint64Range(0, 1<<62-1<<20)).Draw(t, "position")
			l, err := NewLane[uint32](capacity)
			require.NoError(t, err)
			seedLane(l, pos)
			m := &laneModel{t: t, l: l, pos: pos, given: true}
			t.Repeat(m.actions(capacity))
		})
	}
}

// laneClient is the client of a lane: a claim shows only when it is committed, so that
// both steps lie in that call.
type laneClient struct{ *client }

func (c laneClient) inPlace(n int, commit func(Claim)) {
	var claim Claim
	var st Status
	c.do(func() []linStep {
		if claim, st = c.r.Reserve(n); st == OK {
			return nil
		}
		return c.pushed(c.values(n), st)
	})
	if st != OK {
		return
	}
	c.do(func() []linStep {
		vs := c.values(n)
		for i, v := range vs {
			*c.r.Slot(claim, i) = v
		}
		commit(claim)
		return c.pushed(vs, OK)
	})
}

// laneRound has the producer, the consumer and an observer use a lane at the same
// time, in ways that the seed decides, and returns the history.
func laneRound(l *Lane[byte], r linear, seed uint64) []porcupine.Operation {
	var clock atom.Uint64
	var clients []*client
	var wg sync.WaitGroup
	start := make(chan struct{})
	launch := func(fn func(c *client, g *rand.Rand)) {
		id := len(clients)
		g := rand.New(rand.NewPCG(seed, uint64(id)))
		c := &client{
			id: id, r: r, tick: func() int64 { return int64(clock.Add(1)) },
			between: func() {
				if g.IntN(3) == 0 {
					runtime.Gosched()
				}
			},
		}
		clients = append(clients, c)
		wg.Go(func() {
			<-start
			fn(c, g)
		})
	}
	launch(func(c *client, g *rand.Rand) {
		for range 8 {
			n := 1 + g.IntN(min(3, l.Cap()))
			switch g.IntN(5) {
			case 0:
				c.push()
			case 1:
				c.tryPush()
			case 2:
				c.pushN(n)
			case 3:
				laneClient{c}.inPlace(n, l.Commit)
			case 4:
				laneClient{c}.inPlace(n, l.CommitRelease)
			}
		}
		if seed%2 == 0 {
			c.close()
			c.push()
		}
	})
	launch(func(c *client, g *rand.Rand) {
		for range 12 {
			switch g.IntN(4) {
			case 0:
				c.pop()
			case 1:
				c.tryPop()
			case 2:
				c.popN(1 + g.IntN(4))
			case 3:
				c.look()
			}
		}
	})
	launch(func(c *client, _ *rand.Rand) {
		for range 3 {
			c.idle()
			c.accepted()
		}
	})
	close(start)
	wg.Wait()
	clients[1].drain()
	clients[1].accepted()
	var ops []porcupine.Operation
	for _, c := range clients {
		ops = append(ops, c.ops...)
	}
	return ops
}

// What two goroutines and an observer see of a lane on real processors is what they
// could have seen of a sequential ring.
func TestLaneLinear(t *testing.T) {
	for _, capacity := range []int{1, 2, 3, 8} {
		t.Run(fmt.Sprintf("capacity=%d", capacity), func(t *testing.T) {
			for seed := range uint64(100) {
				l := newLaneAt[byte](t, capacity, 0)
				if ops := laneRound(l, l, seed); !porcupine.CheckOperations(linModel(capacity, int(l.size)), ops) {
					t.Fatalf("seed %d: not linearizable:%s", seed, describe(ops))
				}
			}
		})
	}
}

// And the histories show a lane that loses events.
func TestLaneLinearFindsLoss(t *testing.T) {
	for seed := range uint64(20) {
		l := newLaneAt[byte](t, 8, 0)
		if !porcupine.CheckOperations(linModel(8, int(l.size)), laneRound(l, &dropsEvent{linear: l}, seed)) {
			return
		}
	}
	t.Fatal("a lane that drops every third event passes")
}
