package engine

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
)

// The soak is rounds of soakEvents events of two posters and a CQ, on one, two
// and four Ps. What a round does follows from the seed and its number. Its EVD
// is closed and opened again in the middle, many times; the posters go on with
// the next one.
const (
	soakEvents  = 1_000_000
	soakPosters = 2
	soakCQ      = soakPosters // producer number of the CQ
)

// TestISERSoak is the soak. From the environment, all optional:
//
//	EVD_SOAK        number of events in all (make soak: a billion)
//	EVD_SEED        seed; a failure names it
//	EVD_SOAK_STATE  a file for the seed and the rounds done: another run with
//	                the same file goes on with the next round
func TestISERSoak(t *testing.T) {
	total, err := soakNumber("EVD_SOAK", 6*soakEvents)
	require.NoError(t, err)
	seed := uint64(1)
	if os.Getenv("EVD_SOAK") != "" {
		seed = rand.Uint64()
	}
	seed, err = soakNumber("EVD_SEED", seed)
	require.NoError(t, err)
	path := os.Getenv("EVD_SOAK_STATE")
	state, err := readSoak(path, soakState{Seed: seed}, os.Getenv("EVD_SEED") != "")
	require.NoError(t, err)
	rounds := (total + soakEvents - 1) / soakEvents
	t.Logf("EVD_SEED=%d, rounds %d to %d", state.Seed, state.Rounds+1, rounds)
	for ; state.Rounds < rounds && !t.Failed(); state.Rounds++ {
		procs := []int{1, 2, 4}[state.Rounds%3]
		pattern := []string{"iser", "free"}[state.Rounds/3%2]
		t.Run(strconv.FormatUint(state.Rounds+1, 10)+"/"+pattern+"/"+strconv.Itoa(procs), func(t *testing.T) {
			require.NoError(t, state.write(path))
			defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
			s := newSoak(t, rand.New(rand.NewPCG(state.Seed, state.Rounds)), procs)
			if pattern == "iser" {
				s.iser()
			} else {
				s.free()
			}
			if t.Failed() {
				t.Logf("EVD_SEED=%d", state.Seed)
			}
		})
	}
	if !t.Failed() {
		require.NoError(t, state.write(path))
	}
}

func soakNumber(name string, otherwise uint64) (uint64, error) {
	if s := os.Getenv(name); s != "" {
		return strconv.ParseUint(s, 10, 64)
	}
	return otherwise, nil
}

// soakState is what a soak that goes on has to know.
type soakState struct {
	Seed   uint64 `json:"seed"`
	Rounds uint64 `json:"rounds"` // done
}

// readSoak returns what the file says, or start if there is none.
func readSoak(path string, start soakState, seeded bool) (s soakState, err error) {
	if path == "" {
		return start, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return start, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &s)
	}
	if err == nil && seeded && s.Seed != start.Seed {
		err = errors.New("EVD_SEED is not the seed in " + path)
	}
	return s, err
}

// write replaces the file as a whole, so that what an interrupted soak leaves
// can be read.
func (s soakState) write(path string) error {
	if path == "" {
		return nil
	}
	b, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(path+".new", append(b, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return err
}

func TestSoakState(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	s, err := readSoak(path, soakState{Seed: 5}, false)
	require.NoError(t, err)
	require.Equal(t, soakState{Seed: 5}, s)
	s.Rounds = 7
	require.NoError(t, s.write(path))
	s, err = readSoak(path, soakState{Seed: 9}, false)
	require.NoError(t, err)
	require.Equal(t, soakState{Seed: 5, Rounds: 7}, s)
	_, err = readSoak(path, soakState{Seed: 9}, true)
	require.Error(t, err)
	require.NoError(t, os.WriteFile(path, []byte("nonsense"), 0o600))
	_, err = readSoak(path, soakState{}, false)
	require.Error(t, err)
}

// soak is a round. What it counts it counts at the edges: what producers were
// told is accepted, and what was seen.
type soak struct {
	t    *testing.T
	g    *rand.Rand // owner: who opens and closes
	e    *Engine
	cq   *mock.CQ
	cfg  EVDConfig
	each uint64 // events of each producer
	// strict: the view has every event, so each is the very next.
	strict bool
	life   atom.Pointer[soakLife]

	seen   [soakPosters + 1][]atom.Uint64 // a bit an event
	out    atom.Uint64                    // events seen
	outCQ  atom.Uint64                    // of those, the CQ's
	lives  []*soakLife                    // owner: who opens and closes
	left   soakView                       // owner: who closes
	inside soakView                       // owner: the upcall, in lives of one instance
}

// soakLife is one EVD of a round.
type soakLife struct {
	d    *EVD
	many bool        // upcalls may run at the same time
	out  atom.Uint64 // events seen that were this EVD's
}

// soakView is what one consumer has seen last of each producer. Plain memory:
// the race detector checks that there is one at a time.
type soakView [soakPosters + 1]uint64

func newSoak(t *testing.T, g *rand.Rand, procs int) *soak {
	faults := mock.Faults{SpuriousEvent: mock.Rule{Prob: 0.001}, DuplicateEvent: mock.Rule{Prob: 0.01}, LoseEvent: mock.Rule{Prob: 0.001}}
	s := &soak{
		t: t, g: g, each: soakEvents / (soakPosters + 1),
		e:  newTestEngine(t, Config{Workers: 1 + g.IntN(3), Watchdog: 2 * time.Millisecond}),
		cq: newTestCQ(t, mock.Config{Depth: 1024, Seed: g.Uint64(), FirstIndex: g.Uint32(), Faults: faults}),
	}
	for p := range s.seen {
		s.seen[p] = make([]atom.Uint64, s.each/64+1)
	}
	s.cfg = EVDConfig{
		CQs: []hwcq.CQ{s.cq}, Streams: DTO | Software,
		Mode:     []Mode{ModeEvent, ModeAdaptive, ModeSpin}[g.IntN(min(procs, 2)+1)], // with one P nobody spins for ever
		Dispatch: []Dispatch{DispatchAuto, DispatchInline, DispatchQueued}[g.IntN(3)],
		Capacity: []int{50, 64, 500, 512}[g.IntN(4)],
		Batch:    []int{1, 16, 48}[g.IntN(3)],
	}
	t.Logf("%v, dispatch %v, capacity %d, batch %d", s.cfg.Mode, s.cfg.Dispatch, s.cfg.Capacity, s.cfg.Batch)
	return s
}

func (s *soak) total() uint64 { return (soakPosters + 1) * s.each }

func (s *soak) over() bool { return s.out.Load() == s.total() || s.t.Failed() }

// open makes the next EVD, with upcalls disabled.
func (s *soak) open(upcall func(l *soakLife, u *Upcall)) *soakLife {
	l := &soakLife{}
	cfg := s.cfg
	cfg.Upcall = func(u *Upcall) { upcall(l, u) }
	cfg.Leftovers = func(evs []Event) { s.take(l, &s.left, evs) }
	d, err := s.e.NewEVD(cfg)
	require.NoError(s.t, err)
	l.d = d
	s.lives = append(s.lives, l)
	s.life.Store(l)
	return l
}

// take notes events: none comes twice, and each view has those of a producer in
// order. A view may be nil.
func (s *soak) take(l *soakLife, v *soakView, evs []Event) {
	cq := 0
	for i := range evs {
		p, seq := evs[i].WRID>>56, evs[i].WRID<<8>>8
		if p > soakCQ || seq == 0 || seq > s.each || (evs[i].Stream == DTO) != (p == soakCQ) || evs[i].EVD != l.d.ID() {
			s.t.Errorf("not an event of ours: %+v", evs[i])
			return
		}
		if bit := uint64(1) << (seq % 64); s.seen[p][seq/64].Or(bit)&bit != 0 {
			s.t.Errorf("producer %d: %d came twice", p, seq)
		}
		if v != nil {
			if seq <= v[p] || s.strict && seq != v[p]+1 {
				s.t.Errorf("producer %d: %d after %d", p, seq, v[p])
			}
			v[p] = seq
		}
		if p == soakCQ {
			cq++
		}
	}
	l.out.Add(uint64(len(evs)))
	s.outCQ.Add(uint64(cq))
	s.out.Add(uint64(len(evs))) // the last: it ends the round
}

// produce starts the posters and the hardware.
func (s *soak) produce(wg *sync.WaitGroup) {
	for p := range uint64(soakPosters) {
		wg.Go(func() { s.poster(p) })
	}
	wg.Go(s.hardware)
}

// poster posts until all its events are accepted, by whatever EVD is there.
func (s *soak) poster(p uint64) {
	for seq := uint64(1); seq <= s.each && !s.t.Failed(); {
		l := s.life.Load()
		switch err := l.d.Post(Event{WRID: p<<56 | seq}); {
		case err == nil:
			if seq++; seq%64 == 0 { // let it run dry: the edges are what this is about
				for !l.d.ring.Idle() && s.life.Load() == l && !s.t.Failed() {
					runtime.Gosched()
				}
			}
		case errors.Is(err, ErrFull), errors.Is(err, ErrClosed):
			runtime.Gosched()
		default:
			s.t.Errorf("post: %v", err)
		}
	}
}

// hardware stores completions as they find room.
func (s *soak) hardware() {
	batch := make([]hwcq.WC, 16)
	depth := uint64(s.cq.Capabilities().Depth)
	for seq := uint64(1); seq <= s.each && !s.t.Failed(); {
		n := min(depth-(seq-1-s.outCQ.Load()), uint64(len(batch)), s.each-seq+1)
		if n == 0 {
			runtime.Gosched()
			continue
		}
		for i := range n {
			batch[i].WRID = soakCQ<<56 | (seq + i)
		}
		if k, err := s.cq.CompleteN(batch[:n], false); err != nil || uint64(k) != n {
			s.t.Errorf("%d of %d completions: %v", k, n, err)
		}
		seq += n
	}
}

// finish closes the last EVD and compares: every event came out, and of each EVD
// exactly those that it had accepted.
func (s *soak) finish(wg *sync.WaitGroup) {
	wg.Wait()
	require.NoError(s.t, s.life.Load().d.Close())
	require.Equal(s.t, s.total(), s.out.Load())
	for p := range s.seen { // with none twice that is all of them, but say which is not there
		for seq := uint64(1); seq <= s.each; seq++ {
			if s.seen[p][seq/64].Load()&(1<<(seq%64)) == 0 {
				require.Failf(s.t, "lost", "producer %d: %d", p, seq)
			}
		}
	}
	var sum Stats
	for _, l := range s.lives {
		st := l.d.Stats()
		require.Equal(s.t, l.out.Load(), st.Posted+st.Polled, "accepted by %s", l.d.Name())
		require.Equal(s.t, l.out.Load(), st.Delivered+st.Dequeued+st.Leftover, "came out of %s", l.d.Name())
		sum.Upcalls += st.Upcalls
		sum.Delivered += st.Delivered
		sum.Dequeued += st.Dequeued
		sum.Leftover += st.Leftover
		sum.LostInterrupts += st.LostInterrupts
	}
	require.Zero(s.t, s.cq.Stats().Overruns)
	s.t.Logf("%d EVDs; %d upcalls, %d events delivered, %d dequeued, %d left over, %d lost interrupts",
		len(s.lives), sum.Upcalls, sum.Delivered, sum.Dequeued, sum.Leftover, sum.LostInterrupts)
}

// iser is the consumer of the 2005 discussion: the upcall disables upcalls and
// hands over to a thread, which dequeues until nothing is left and enables
// upcalls again; while that is refused, it goes on dequeuing. One of them
// consumes at a time, so every event must be the very next of its producer. The
// thread closes the EVD now and then while it is at it.
func (s *soak) iser() {
	s.strict = true
	v := &s.left                   // the one view
	work := make(chan struct{}, 1) // there is room: exactly one upcall between two enables
	upcall := func(l *soakLife, u *Upcall) {
		if err := u.ModifyUpcall(Disable, Same); err != nil {
			s.t.Errorf("disable: %v", err)
		}
		s.take(l, v, u.Events())
		work <- struct{}{}
	}
	l := s.open(upcall)
	require.NoError(s.t, l.d.ModifyUpcall(SingleInstance, Same))
	var wg sync.WaitGroup
	s.produce(&wg)
	refused, enabled := 0, 0
	buf := make([]Event, 32)
	for next := s.nextClose(); !s.over(); {
		<-work
		for !s.over() {
			n, err := l.d.Dequeue(buf)
			s.take(l, v, buf[:n])
			switch {
			case s.out.Load() >= next:
				require.NoError(s.t, l.d.Close())
				l = s.open(upcall)
				next = s.nextClose()
				continue
			case n > 0:
				continue
			case err != nil: // ErrBusy: in flight
				runtime.Gosched()
				continue
			}
			if err = l.d.ModifyUpcall(SingleInstance, Same); err == nil {
				enabled++
				break
			}
			if !errors.Is(err, ErrEventsPending) {
				s.t.Errorf("enable: %v", err)
			}
			refused++
		}
	}
	s.finish(&wg)
	s.t.Logf("enabled %d times, refused %d times", enabled, refused)
}

// nextClose is how many events will have been seen when the EVD is closed.
func (s *soak) nextClose() uint64 { return s.out.Load() + 1 + s.g.Uint64N(soakEvents/10) }

// free is everybody at once: upcalls of all policies, a thread that dequeues and
// waits, and one that changes the policy all the time, and closes.
func (s *soak) free() {
	upcall := func(l *soakLife, u *Upcall) {
		v := &s.inside
		if l.many {
			v = nil
		}
		evs := u.Events()
		if len(evs) == 0 { // NotificationOnly
			var buf [16]Event
			n, _ := u.Dequeue(buf[:])
			evs = buf[:n]
		}
		s.take(l, v, evs)
	}
	s.open(upcall)
	var wg sync.WaitGroup
	s.produce(&wg)
	wg.Go(s.consume)
	next := s.nextClose()
	for g := s.g; !s.over(); {
		l := s.life.Load()
		if s.out.Load() >= next {
			require.NoError(s.t, l.d.Close())
			l = s.open(upcall)
			l.many = g.IntN(2) == 0 // before any upcall: they are disabled
			next = s.nextClose()
		}
		p := []Policy{Disable, Teardown, SingleInstance, NotificationOnly}[g.IntN(4)]
		if l.many && p > Disable {
			p = ManyLimit(2 + g.IntN(2))
		}
		modify := []func(Policy, UpcallFunc) error{l.d.ModifyUpcall, l.d.ModifyUpcallAny, l.d.ModifyUpcallNew}[g.IntN(3)]
		if err := modify(p, Same); err != nil && !errors.Is(err, ErrEventsPending) && !errors.Is(err, ErrWaiter) {
			s.t.Errorf("%v: %v", p, err)
		}
		for range g.IntN(200) {
			runtime.Gosched()
		}
	}
	s.finish(&wg)
}

// consume dequeues, and waits when it may.
func (s *soak) consume() {
	var v soakView
	g := rand.New(rand.NewPCG(1, 2))
	buf := make([]Event, 32)
	for !s.over() {
		l := s.life.Load()
		n, err := 0, error(nil)
		if g.IntN(4) == 0 {
			n, _, err = l.d.WaitBatch(s.t.Context(), 1+g.IntN(20), time.Duration(g.IntN(50))*time.Microsecond, buf)
		} else {
			n, err = l.d.Dequeue(buf)
		}
		s.take(l, &v, buf[:n])
		switch {
		case err == nil, errors.Is(err, ErrBusy), errors.Is(err, ErrEnabled), errors.Is(err, ErrClosed):
		default:
			s.t.Errorf("consume: %v", err)
		}
		for range g.IntN(100) { // upcalls shall have some too
			runtime.Gosched()
		}
	}
}
