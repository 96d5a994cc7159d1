package bench

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
)

// small is a run that went well: producer 0 had 3 completions, producer 1
// posted 4 events, one of 5 attempts refused; one event was dequeued and one
// left over.
type small struct {
	books []book
	con   *consumer
	st    engine.Stats
}

func newSmall() *small {
	s := &small{
		books: []book{
			{&Producer{ID: 0, Attempted: 3, Accepted: 3}, "work requests", false},
			{&Producer{ID: 1, Attempted: 5, Accepted: 4, Rejected: 1}, "poster 0", true},
		},
		con: &consumer{Checker: NewChecker(2)},
		st:  engine.Stats{Posted: 4, Rejected: 1, Polled: 3, Delivered: 5, Upcalls: 2, Dequeued: 1, Leftover: 1},
	}
	return s
}

func dto(seq uint64) engine.Event {
	return engine.Event{WRID: WRID(0, seq), Stream: engine.DTO}
}

func soft(seq uint64) engine.Event {
	return engine.Event{WRID: WRID(1, seq), Stream: engine.Software}
}

// events is what came out in newSmall's run.
func (s *small) events() []engine.Event {
	return []engine.Event{dto(0), soft(0), soft(1), dto(1), soft(2), dto(2), soft(3)}
}

// run takes the events out: two upcalls, a dequeue, the rest left over.
func (s *small) run(evs []engine.Event) Conservation {
	s.con.upcall(evs[:3])
	s.con.upcall(evs[3:5])
	s.con.dequeue(evs[5:6])
	s.con.left(evs[6:])
	s.con.done()
	return balance(s.books, s.con, s.st)
}

func TestConservationHolds(t *testing.T) {
	s := newSmall()
	c := s.run(s.events())
	assert.Empty(t, c.Violations)
	assert.True(t, c.OK())
	assert.EqualValues(t, 8, c.Attempted)
	assert.EqualValues(t, 7, c.Accepted)
	assert.EqualValues(t, 1, c.Rejected)
	assert.EqualValues(t, 5, c.Delivered)
	assert.EqualValues(t, 1, c.Dequeued)
	assert.EqualValues(t, 1, c.LeftOver)
	assert.EqualValues(t, 7, s.con.seen.Load())
}

// Everything that can go wrong, injected into the run that went well, is
// found.
func TestConservationFinds(t *testing.T) {
	failed := dto(2)
	failed.Status = hwcq.StatusGeneralErr
	flushed := dto(2)
	flushed.Status = hwcq.StatusWRFlushErr
	for _, x := range []struct {
		name string
		bend func(s *small, evs []engine.Event) []engine.Event
		want []string
	}{
		{
			"an event lost at the end",
			func(s *small, evs []engine.Event) []engine.Event { return evs[:6] },
			[]string{
				"poster 0: missing 1, duplicates 0, reordered 0", "accepted 7, but delivered 5 + dequeued 1 + left over 0 = 6",
				"engine counter Leftover is 1, the edges counted 0",
			},
		},
		{
			"an event lost in the middle, the numbers of the engine bent to agree",
			func(s *small, evs []engine.Event) []engine.Event {
				s.st.Polled, s.st.Leftover = 2, 0
				return append(evs[:3:3], evs[4:]...)
			},
			[]string{"work requests: missing 1, duplicates 0, reordered 0", "accepted 7, but delivered 5 + dequeued 1 + left over 0 = 6"},
		},
		{
			"one lost and another doubled, so that the sums agree",
			func(s *small, evs []engine.Event) []engine.Event { evs[4] = soft(1); return evs },
			[]string{"poster 0: missing 1, duplicates 1, reordered 0"},
		},
		{
			"doubled",
			func(s *small, evs []engine.Event) []engine.Event { return append(evs, soft(3)) },
			[]string{
				"poster 0: missing 0, duplicates 1, reordered 0", "accepted 7, but delivered 5 + dequeued 1 + left over 2 = 8",
				"engine counter Leftover is 1, the edges counted 2",
			},
		},
		{
			"reordered",
			func(s *small, evs []engine.Event) []engine.Event { evs[1], evs[2] = evs[2], evs[1]; return evs },
			[]string{"poster 0: missing 0, duplicates 0, reordered 1"},
		},
		{
			"one that was never accepted",
			func(s *small, evs []engine.Event) []engine.Event { evs[6] = soft(4); return evs },
			[]string{"poster 0: event 4 came, and only 4 were ever accepted", "poster 0: missing 1, duplicates 0, reordered 0"},
		},
		{
			"one of no producer",
			func(s *small, evs []engine.Event) []engine.Event { evs[6].WRID = WRID(2, 0); return evs },
			[]string{"poster 0: missing 1, duplicates 0, reordered 0", "1 events that no producer made"},
		},
		{
			"a failed request",
			func(s *small, evs []engine.Event) []engine.Event { evs[5] = failed; return evs },
			[]string{"1 requests failed, the first (0x2, QP 0) with general error (vendor 0x0)"},
		},
		{
			"a flushed request before the end",
			func(s *small, evs []engine.Event) []engine.Event { evs[5] = flushed; return evs },
			[]string{"1 requests failed, the first (0x2, QP 0) with WR flushed (vendor 0x0)"},
		},
		{
			"a producer's books wrong",
			func(s *small, evs []engine.Event) []engine.Event { s.books[1].Attempted++; return evs },
			[]string{"poster 0: attempted 6, but accepted 4 + rejected 1"},
		},
		{
			"engine counters wrong",
			func(s *small, evs []engine.Event) []engine.Event {
				s.st = engine.Stats{Posted: 5, Rejected: 2, Polled: 4, Delivered: 6, Upcalls: 3, Dequeued: 2, Leftover: 2}
				return evs
			},
			[]string{
				"engine counter Posted is 5, the edges counted 4", "engine counter Rejected is 2, the edges counted 1",
				"engine counter Polled is 4, the edges counted 3", "engine counter Delivered is 6, the edges counted 5",
				"engine counter Upcalls is 3, the edges counted 2", "engine counter Dequeued is 2, the edges counted 1",
				"engine counter Leftover is 2, the edges counted 1",
			},
		},
	} {
		t.Run(x.name, func(t *testing.T) {
			s := newSmall()
			c := s.run(x.bend(s, s.events()))
			require.False(t, c.OK())
			assert.Equal(t, x.want, c.Violations)
		})
	}
}

// What the CQ itself counted is held against the engine's count.
func TestConservationComparesWithTheCQ(t *testing.T) {
	r := &Report{Engine: engine.Stats{Polled: 7}}
	reportPolls(r, &countedCQ{polls: 2, completions: 3}, &countedCQ{polls: 3, empty: 1, completions: 4})
	assert.True(t, r.Conservation.OK())
	assert.Equal(t, CQCounts{Polls: 5, EmptyPolls: 1, Completions: 7}, r.CQ)
	(&countedCQ{completions: 8}).report(r)
	assert.Equal(t, []string{"engine counter Polled is 7, the CQ gave 8"}, r.Conservation.Violations)
}

func TestConservationExpectsFlushesAtTheEnd(t *testing.T) {
	s := newSmall()
	evs := s.events()
	evs[5].Status = hwcq.StatusWRFlushErr
	s.con.flushing.Store(true)
	c := s.run(evs)
	assert.Empty(t, c.Violations)
	assert.EqualValues(t, 1, c.Flushed)
}

// What an endpoint tells is balanced apart: up at most once, down exactly once,
// and broken only by a request that failed.
func TestConservationOfConnections(t *testing.T) {
	notice := func(n engine.EventNumber) engine.Event { return engine.Event{Stream: engine.Connection, Number: n} }
	up, broken, down := notice(engine.Established), notice(engine.Broken), notice(engine.Disconnected)
	failed, flushed := dto(1), dto(2)
	failed.Status, flushed.Status = hwcq.StatusRetryExcErr, hwcq.StatusWRFlushErr
	for _, x := range []struct {
		name string
		evs  []engine.Event // an upcall has all but the last one, which is left over
		want string
	}{
		{"ends in order", []engine.Event{up, dto(0), dto(1), dto(2), down}, ""},
		{"breaks", []engine.Event{up, dto(0), failed, broken, flushed}, ""},
		{"breaks before it is up", []engine.Event{dto(0), failed, broken, flushed}, ""},
		{"breaks twice", []engine.Event{up, dto(0), failed, broken, broken, flushed}, "broken 2 and disconnected 0"},
		{"breaks and ends", []engine.Event{up, dto(0), failed, broken, flushed, down}, "broken 1 and disconnected 1"},
		{"never ends", []engine.Event{up, dto(0), dto(1), dto(2)}, "broken 0 and disconnected 0"},
		{"up twice", []engine.Event{up, up, dto(0), dto(1), dto(2), down}, "established came 2 times"},
		{"breaks for nothing", []engine.Event{up, dto(0), dto(1), broken, flushed}, "no request failed"},
		{"fails and does not break", []engine.Event{up, dto(0), failed, flushed, down}, "1 requests failed"},
		{"loses one", []engine.Event{up, dto(0), dto(2), down}, "missing 1"},
	} {
		t.Run(x.name, func(t *testing.T) {
			con := &consumer{Checker: NewChecker(1), notices: map[engine.EventNumber]uint64{}}
			last := len(x.evs) - 1
			con.upcall(x.evs[:last])
			con.left(x.evs[last:])
			con.done()
			st := engine.Stats{Polled: con.dto, Delivered: uint64(last), Upcalls: 1, Leftover: 1}
			c := balance([]book{{&Producer{Attempted: 3, Accepted: 3}, "sends", false}}, con, st)
			if x.want == "" {
				assert.Empty(t, c.Violations)
				assert.EqualValues(t, 3, c.Delivered+c.LeftOver)
				return
			}
			require.NotEmpty(t, c.Violations)
			assert.Contains(t, strings.Join(c.Violations, "\n"), x.want)
		})
	}
}
