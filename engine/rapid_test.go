package engine

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
)

// kept is what ModifyUpcallNew has left.
type kept uint8

const (
	keptNone kept = iota // what is pending must come
	keptMay              // it may come
	keptAll              // it must not come before something new does
)

// seq is an EVD on an engine without goroutines, beside what a sequential
// reader of docs/SEMANTICS.md knows of it. The workers and the poller are
// operations like all others.
type seq struct {
	t  *rapid.T
	e  *Engine
	d  *EVD
	cq *mock.CQ // nil: none

	soft, hw []uint64 // pending, oldest first
	next     uint64   // next cookie; those of completions are odd
	policy   Policy
	kept     kept
	woken    bool
	unwait   bool
	closed   bool
	left     []uint64
	depth    int // upcalls running
	inside   int // what upcalls may still do in this operation
	taken    uint64
}

const seqDepth = 256 // of the CQ: more than a sequence has operations

func newSeq(t *rapid.T) *seq {
	e, err := newEngine(Config{Workers: 1, SpinBudget: time.Nanosecond}, func(string, string, func()) {})
	if err != nil {
		t.Fatal(err)
	}
	s := &seq{t: t, e: e}
	cfg := EVDConfig{
		Streams: Software, Mode: ModeEvent,
		Capacity:  rapid.IntRange(1, 9).Draw(t, "capacity"),
		Batch:     rapid.IntRange(1, 4).Draw(t, "batch"),
		Dispatch:  rapid.SampledFrom([]Dispatch{DispatchAuto, DispatchInline, DispatchQueued}).Draw(t, "dispatch"),
		Policy:    rapid.SampledFrom(seqPolicies).Draw(t, "policy"),
		Upcall:    s.upcall,
		Repanic:   true, // rapid panics to end a sequence
		Leftovers: func(evs []Event) { s.left = append(s.left, cookies(evs)...) },
	}
	cfg.Budget = cfg.Batch * rapid.IntRange(1, 3).Draw(t, "budget")
	s.policy = cfg.Policy
	if rapid.Bool().Draw(t, "CQ") && cfg.Dispatch != DispatchQueued { // a pump has a test of its own
		rule := func(name string) mock.Rule {
			return mock.Rule{Prob: rapid.SampledFrom([]float64{0, 0, 0.3}).Draw(t, name)}
		}
		s.cq, err = mock.New(mock.Config{Depth: seqDepth, Seed: rapid.Uint64().Draw(t, "seed"), Faults: mock.Faults{
			LoseEvent: rule("lose"), DuplicateEvent: rule("duplicate"), SpuriousEvent: rule("spurious"), ArmError: rule("arm error"),
		}})
		if err != nil {
			t.Fatal(err)
		}
		cfg.Streams, cfg.CQs = DTO|Software, []hwcq.CQ{s.cq}
	}
	if s.d, err = e.NewEVD(cfg); err != nil {
		t.Fatal(err)
	}
	return s
}

var seqPolicies = []Policy{Disable, SingleInstance, NotificationOnly, ManyLimit(2), ManyLimit(3)}

func cookies(evs []Event) (out []uint64) {
	for i := range evs {
		out = append(out, evs[i].WRID)
	}
	return out
}

func (s *seq) pending() int { return len(s.soft) + len(s.hw) }

// consume takes events off the model, each from the head of its source.
func (s *seq) consume(how string, ids []uint64) {
	for _, id := range ids {
		q := &s.soft
		if id&1 != 0 {
			q = &s.hw
		}
		if len(*q) == 0 || (*q)[0] != id {
			s.t.Fatalf("%s: event %d, pending are %v and %v", how, id, s.soft, s.hw)
		}
		*q = (*q)[1:]
		s.taken++
	}
}

func (s *seq) upcall(u *Upcall) {
	switch s.depth++; {
	case s.policy == Disable:
		s.t.Fatal("an upcall while upcalls are disabled")
	case s.kept == keptAll:
		s.t.Fatal("an upcall, and nothing new has come")
	case s.depth > 1:
		s.t.Fatal("an upcall in an upcall")
	case (len(u.Events()) == 0) != (s.policy == NotificationOnly):
		s.t.Fatalf("%d events with policy %v", len(u.Events()), s.policy)
	}
	s.consume("upcall", cookies(u.Events()))
	if len(s.hw) == 0 {
		s.kept = keptNone
	}
	if len(u.Events()) == 0 {
		if s.pending() == 0 {
			s.t.Fatal("notified of nothing")
		}
		s.dequeue(u.Dequeue)
	}
	if s.inside > 0 {
		s.inside--
		switch rapid.IntRange(0, 6).Draw(s.t, "inside") {
		case 0:
			s.dequeue(u.Dequeue)
		case 1:
			s.post(u.Post)
		case 2:
			s.modify(Disable, u.ModifyUpcall)
		case 3:
			s.modify(rapid.SampledFrom(seqPolicies).Draw(s.t, "policy"), u.ModifyUpcallAny)
		case 4:
			if s.cq != nil {
				s.complete()
			}
		case 5:
			s.postN(u.PostN)
		}
	}
	s.depth--
}

// something new has come: what was kept comes with it.
func (s *seq) fresh(lossy bool) {
	switch {
	case s.kept == keptNone:
	case lossy:
		s.kept = keptMay // the watchdog keeps still beside what was kept on a CQ
	default:
		s.kept = keptNone
	}
}

func (s *seq) post(post func(Event) error) {
	id := s.next * 2
	s.next++
	n := len(s.soft) // an event handed off directly is gone when Post returns
	s.soft = append(s.soft, id)
	before := s.kept
	s.fresh(false)
	err := post(Event{WRID: id})
	switch {
	case s.closed && errors.Is(err, ErrClosed):
	case s.closed:
		s.t.Fatalf("post: %v", err)
	case errors.Is(err, ErrFull) && n >= s.d.Capacity():
		if before != keptAll { // else the full ring comes, since nothing new can
			s.kept = before
		}
	case err != nil || n >= int(s.d.ring.Cap())*2:
		s.t.Fatalf("post: %v with %d pending", err, n)
	default:
		return
	}
	s.soft = s.soft[:len(s.soft)-1]
}

// postN posts some events at once, of which the last ones may find no room: but not
// where upcalls run before the answer, since the model would not know of which.
func (s *seq) postN(postN func([]Event) (int, error)) {
	most := 7
	if s.d.postInline && s.depth == 0 && s.policy != Disable {
		most = max(0, s.d.Capacity()-len(s.soft))
	}
	evs := make([]Event, rapid.IntRange(0, most).Draw(s.t, "events"))
	was, before := len(s.soft), s.kept
	for i := range evs {
		evs[i].WRID = s.next * 2
		s.next++
	}
	s.soft = append(s.soft, cookies(evs)...)
	if len(evs) > 0 {
		s.fresh(false)
	}
	ids := cookies(evs)
	n, err := postN(evs)
	switch {
	case n == len(evs) && err == nil && (!s.closed || n == 0) && was+n <= int(s.d.ring.Cap())*2+int(s.d.batch):
		return
	case s.closed && n == 0 && errors.Is(err, ErrClosed):
	case s.closed || n >= len(evs) || !errors.Is(err, ErrFull) || was+n < s.d.Capacity():
		s.t.Fatalf("post of %d: %d, %v with %d pending", len(evs), n, err, was)
	}
	if n == 0 && before != keptAll { // as in post
		s.kept = before
	}
	s.soft = slices.DeleteFunc(s.soft, func(id uint64) bool { return slices.Contains(ids[n:], id) })
}

func (s *seq) complete() {
	if s.cq == nil {
		s.t.Skip()
	}
	id := s.next*2 + 1
	s.next++
	s.hw = append(s.hw, id)
	s.fresh(true)
	if ok, err := s.cq.Complete(hwcq.WC{WRID: id}, false); !ok || err != nil {
		s.t.Fatal(ok, err)
	}
}

func (s *seq) dequeue(dequeue func([]Event) (int, error)) {
	buf := make([]Event, rapid.IntRange(1, 6).Draw(s.t, "size"))
	n, err := dequeue(buf)
	if s.closed {
		if n != 0 || !errors.Is(err, ErrClosed) {
			s.t.Fatalf("dequeue: %d, %v", n, err)
		}
		return
	}
	if err != nil || (n == 0) != (s.pending() == 0) {
		s.t.Fatalf("dequeue: %d, %v with %d pending", n, err, s.pending())
	}
	s.consume("dequeue", cookies(buf[:n]))
}

// modify is a change of policy from one place or another.
func (s *seq) modify(p Policy, change func(Policy, UpcallFunc) error) {
	before, pending := s.policy, s.pending()
	if p != before && !s.closed { // upcalls may run before it returns
		s.policy = p
		if from, to := s.e.level(before), s.e.level(p); before == Disable || to.lim() > from.lim() || word(from^to)&bNOTE != 0 {
			s.kept = keptNone // a lower limit has nobody look
		}
	}
	err := change(p, Same)
	switch {
	case s.closed:
		if !errors.Is(err, ErrClosed) {
			s.t.Fatalf("modify: %v", err)
		}
		return
	case err == nil:
		return
	case errors.Is(err, ErrEventsPending) && before == Disable && pending > 0:
	case errors.Is(err, mock.ErrInjected) && before == Disable && s.cq != nil:
	default:
		s.t.Fatalf("from %v to %v with %d pending: %v", before, p, pending, err)
	}
	s.policy = before
}

func (s *seq) enable() {
	p := rapid.SampledFrom(seqPolicies[1:]).Draw(s.t, "policy")
	refused := s.policy == Disable && s.pending() > 0
	s.modify(p, s.d.ModifyUpcall)
	if refused && s.policy != Disable {
		s.t.Fatal("enabled while events are pending")
	}
}

func (s *seq) enableNew() {
	p := rapid.SampledFrom(seqPolicies[1:]).Draw(s.t, "policy")
	before, pending := s.policy, s.pending()
	// What has been told of already, and nobody has looked at, comes.
	told := s.d.load()&bQUED != 0
	if s.cq != nil {
		st := s.cq.Stats()
		p := s.d.testPoller()
		told = told || !p.started || p.ctl.Load()&cRetry != 0 || st.EventsRaised != st.EventsTaken
	}
	s.modify(p, s.d.ModifyUpcallNew)
	if before == Disable && s.policy != Disable && pending > 0 {
		if s.kept = keptAll; told {
			s.kept = keptMay
		}
	}
}

// wait has a context that has ended, so that it never sleeps.
func (s *seq) wait(latency bool) {
	ctx, cancel := context.WithCancel(context.Background())
	buf := make([]Event, rapid.IntRange(1, 6).Draw(s.t, "size"))
	threshold := rapid.IntRange(1, s.d.Capacity()).Draw(s.t, "threshold")
	wait := s.d.Wait
	if latency {
		wait = func(ctx context.Context, threshold int, dst []Event) (int, int, error) {
			return s.d.WaitBatch(ctx, threshold, 0, dst)
		}
	} else {
		cancel()
	}
	defer cancel()
	n, more, err := wait(ctx, threshold, buf)
	is := func(want error) {
		if n != 0 || !errors.Is(err, want) {
			s.t.Fatalf("wait: %d, %v, want %v", n, err, want)
		}
	}
	enough := s.pending() >= threshold
	switch {
	case s.closed:
		is(ErrClosed)
	case s.unwait:
		is(ErrUnwaitable)
	case s.policy != Disable:
		is(ErrEnabled)
	case !enough && s.woken:
		is(ErrWoken)
		s.woken = false
	case !enough && !latency:
		is(context.Canceled)
	default:
		want := min(len(buf), s.pending())
		s.consume("wait", cookies(buf[:n]))
		if err != nil || n != want || enough && n+more < threshold {
			s.t.Fatalf("waited for %d: %d and %d more, %v; want %d", threshold, n, more, err, want)
		}
	}
}

func (s *seq) worker() bool {
	if waiting, _ := s.e.rq.look(); !waiting {
		return false
	}
	if m := s.e.rq.pop(); m.startQueued() {
		m.self.runSlot(&runner{})
	}
	return true
}

// poller is a step of the poller's life.
func (s *seq) poller() bool {
	if s.cq == nil || s.closed {
		return false
	}
	p := s.d.testPoller()
	if !p.started {
		p.started = true
		p.start(srcWatch)
		return true
	}
	if p.ctl.And(^cRetry)&cRetry != 0 {
		p.start(srcWatch)
		return true
	}
	event, err := s.cq.Events().TryWait()
	if err != nil {
		s.t.Fatal(err)
	}
	if event {
		p.link.fired(false)
		p.start(srcIntr)
	}
	return event
}

// settle has everybody work until nobody has anything to do: then nothing is
// left that must be delivered.
func (s *seq) settle() {
	for range 100 {
		if s.worker() || s.poller() {
			continue
		}
		s.e.tick()
		s.e.tick()
		if waiting, _ := s.e.rq.look(); !waiting && (s.policy == Disable || s.kept != keptNone || s.pending() == 0) {
			break
		}
	}
	if s.policy != Disable && s.kept == keptNone && s.pending() > 0 {
		s.t.Fatalf("left behind: %v and %v; word %x", s.soft, s.hw, s.d.load())
	}
}

func (s *seq) close() {
	if s.closed {
		if err := s.d.Close(); err != nil {
			s.t.Fatal(err)
		}
		return
	}
	if s.cq != nil {
		s.d.testPoller().done.Signal() // it has no goroutine that could end
	}
	if err := s.d.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.consume("left over", s.left)
	if len(s.soft) > 0 {
		s.t.Fatalf("not handed out: %v", s.soft)
	}
	if s.cq != nil { // what was not taken is there still
		wcs := make([]hwcq.WC, seqDepth)
		for _, wc := range wcs[:s.cq.Poll(wcs)] {
			s.consume("on the CQ", []uint64{wc.WRID})
		}
	}
	if s.pending() > 0 {
		s.t.Fatalf("lost: %v", s.hw)
	}
	s.closed, s.policy, s.kept = true, Disable, keptNone
}

// check compares what can be asked for at any time.
func (s *seq) check() {
	s.inside = 3
	if s.pending() == 0 {
		s.kept = keptNone
	}
	q := s.d.Query()
	want := s.policy
	if q.Policy != want || q.Closed != s.closed || (q.Pending > 0) != (s.pending() > 0) || q.Pending > s.pending() || q.Waitable == s.unwait {
		s.t.Fatalf("query says %+v; pending are %v and %v, policy %v", q, s.soft, s.hw, want)
	}
	if st := q.Stats; !s.closed && st.Delivered+st.Dequeued != s.taken {
		s.t.Fatalf("%d delivered and %d dequeued, of %d", st.Delivered, st.Dequeued, s.taken)
	}
}

// TestSequential runs sequences of operations on an EVD and on a model. A
// failure is reported as the shortest sequence that shows it.
func TestSequential(t *testing.T) {
	for range 300 { // of a hundred sequences each: what matters most needs several draws to come together
		rapid.Check(t, func(t *rapid.T) {
			s := newSeq(t)
			step := func(f func() bool) func(*rapid.T) {
				return func(t *rapid.T) {
					if !f() {
						t.Skip()
					}
				}
			}
			post := func(*rapid.T) { s.post(s.d.Post) }
			complete := func(*rapid.T) { s.complete() }
			t.Repeat(map[string]func(*rapid.T){
				"":         func(*rapid.T) { s.check() },
				"post":     post,
				"post too": post, "complete": complete, "complete too": complete,
				"post many":  func(*rapid.T) { s.postN(s.d.PostN) },
				"dequeue":    func(*rapid.T) { s.dequeue(s.d.Dequeue) },
				"disable":    func(*rapid.T) { s.modify(Disable, s.d.ModifyUpcall) },
				"enable":     func(*rapid.T) { s.enable() },
				"enable any": func(t *rapid.T) { s.modify(rapid.SampledFrom(seqPolicies).Draw(t, "policy"), s.d.ModifyUpcallAny) },
				"enable new": func(*rapid.T) { s.enableNew() },
				"teardown": func(*rapid.T) {
					s.modify(Disable, func(Policy, UpcallFunc) error { return s.d.Teardown(context.Background()) })
				},
				"wait":       func(*rapid.T) { s.wait(false) },
				"wait batch": func(*rapid.T) { s.wait(true) },
				"wake":       func(*rapid.T) { _ = s.d.Wake(); s.woken = true },
				"unwaitable": func(*rapid.T) { _ = s.d.SetUnwaitable(); s.unwait = true },
				"waitable":   func(*rapid.T) { _ = s.d.ClearUnwaitable(); s.unwait = false },
				"worker":     step(s.worker),
				"poller":     step(s.poller),
				"watchdog":   func(*rapid.T) { s.e.tick() },
				"settle":     func(*rapid.T) { s.settle() },
				"close": func(t *rapid.T) {
					if rapid.IntRange(0, 7).Draw(t, "rarely") > 0 { // it ends the fun
						t.Skip()
					}
					s.close()
				},
			})
			s.settle()
			s.check()
			s.close()
			s.check()
			s.settle()
		})
	}
}
