package explore_test

import (
	"strings"
	"testing"
	"unsafe"

	"github.com/evdengine/evd/internal/explore"
)

// word is a small instrumented atomic: these tests run without the build tag.
type word struct{ v uint64 }

func (w *word) load() uint64 {
	if explore.Point(unsafe.Pointer(w), explore.OpLoad) {
		explore.Done(w.v, w.v, true)
	}
	return w.v
}

func (w *word) store(v uint64) {
	p := explore.Point(unsafe.Pointer(w), explore.OpStore)
	old := w.v
	w.v = v
	if p {
		explore.Done(old, v, true)
	}
}

func (w *word) add(d uint64) uint64 {
	p := explore.Point(unsafe.Pointer(w), explore.OpAdd)
	old := w.v
	w.v += d
	if p {
		explore.Done(old, w.v, true)
	}
	return w.v
}

func (w *word) cas(old, v uint64) bool {
	p := explore.Point(unsafe.Pointer(w), explore.OpCAS)
	was := w.v
	if was == old {
		w.v = v
	}
	if p {
		explore.Done(was, w.v, was == old)
	}
	return was == old
}

// plain is a field that is checked for races.
type plain struct{ v int }

func (p *plain) get() int {
	explore.Read(unsafe.Pointer(p))
	return p.v
}

func (p *plain) set(v int) {
	explore.Write(unsafe.Pointer(p))
	p.v = v
}

// lock is a mutex made of Block.
type lock struct{ held bool }

func (l *lock) lock() {
	explore.Block(func() bool { return !l.held })
	l.held = true
	explore.Sync(unsafe.Pointer(l), explore.OpLock, 0, 1)
}

func (l *lock) unlock() {
	p := explore.Point(unsafe.Pointer(l), explore.OpUnlock)
	l.held = false
	if p {
		explore.Done(1, 0, true)
	}
}

// classic is a scenario with a known verdict.
type classic struct {
	name string
	want string // in the reason of the failure; empty: correct
	body func(x *explore.X)
}

func lostUpdate(x *explore.X) {
	n := new(word)
	x.Label(unsafe.Pointer(n), "n")
	for _, name := range []string{"a", "b"} {
		x.Go(name, func() { n.store(n.load() + 1) })
	}
	wantValue(x, n, 2)
}

func wantValue(x *explore.X, n *word, want uint64) {
	x.Check(func() {
		if v := n.load(); v != want {
			x.Failf("n is %d, want %d", v, want)
		}
	})
}

// dekker is the entry protocol: both threads raise a flag and look at the
// other's. Only in the right order does one of them see the other.
func dekker(flagFirst bool) func(x *explore.X) {
	return func(x *explore.X) {
		var flag [2]word
		var in word
		for i, name := range []string{"a", "b"} {
			x.Go(name, func() {
				var other uint64
				if flagFirst {
					flag[i].store(1)
					other = flag[1-i].load()
				} else {
					other = flag[1-i].load()
					flag[i].store(1)
				}
				if other == 0 {
					if in.add(1) > 1 {
						x.Failf("both are in")
					}
					in.add(^uint64(0))
				}
				flag[i].store(0)
			})
		}
	}
}

// publish hands a plain field over by a flag.
func publish(flagFirst bool) func(x *explore.X) {
	return func(x *explore.X) {
		var data plain
		var flag word
		x.Label(unsafe.Pointer(&data), "data")
		x.Go("writer", func() {
			if flagFirst {
				flag.store(1)
				data.set(42)
				return
			}
			data.set(42)
			flag.store(1)
		})
		x.Go("reader", func() {
			if flag.load() == 1 && data.get() != 42 {
				x.Failf("the reader saw the flag without the data")
			}
		})
	}
}

func twoLocks(sameOrder bool) func(x *explore.X) {
	return func(x *explore.X) {
		var l [2]lock
		var n word
		for i, name := range []string{"a", "b"} {
			if sameOrder {
				i = 0
			}
			x.Go(name, func() {
				l[i].lock()
				l[1-i].lock()
				n.store(n.load() + 1)
				l[1-i].unlock()
				l[i].unlock()
			})
		}
		wantValue(x, &n, 2)
	}
}

// sleeper waits for ready; the waker looks at waiting before it wakes. The
// sleeper must announce itself before it looks.
func sleeper(announceFirst bool) func(x *explore.X) {
	return func(x *explore.X) {
		var ready, waiting, token word
		x.Go("sleeper", func() {
			if announceFirst {
				waiting.store(1)
				if ready.load() == 1 {
					return
				}
			} else {
				if ready.load() == 1 {
					return
				}
				waiting.store(1)
			}
			explore.Block(func() bool { return token.load() == 1 })
		})
		x.Go("waker", func() {
			ready.store(1)
			if waiting.load() == 1 {
				token.store(1)
			}
		})
	}
}

func spinUntil(w *word, v uint64) {
	for w.load() != v {
		explore.Spin()
	}
}

// inOrder runs the functions in threads, each after the end of the one before
// it, but without happens-before edges between them.
func inOrder(x *explore.X, fns ...func(data *plain, flag *word)) {
	var data plain
	var flag word
	done := 0
	for i, fn := range fns {
		x.Go(string(rune('a'+i)), func() {
			explore.Block(func() bool { return done == i })
			fn(&data, &flag)
			done++
		})
	}
}

var classics = []classic{
	{"lost update", "n is 1, want 2", lostUpdate},
	{"update by cas", "", func(x *explore.X) {
		n := new(word)
		for _, name := range []string{"a", "b", "c"} {
			x.Go(name, func() {
				for {
					if v := n.load(); n.cas(v, v+1) {
						return
					}
				}
			})
		}
		wantValue(x, n, 3)
	}},
	{"dekker, look first", "both are in", dekker(false)},
	{"dekker", "", dekker(true)},
	{"publish before write", "data race on data", publish(true)},
	{"publish", "", publish(false)},
	{"two writers", "data race on loc0: the write by", func(x *explore.X) {
		var data plain
		x.Go("a", func() { data.set(1) })
		x.Go("b", func() { data.set(2) })
	}},
	{"read and write", "data race on", func(x *explore.X) {
		var data plain
		x.Go("a", func() { data.get() })
		x.Go("b", func() { data.set(2) })
	}},
	// In the next four, b comes after a and c after b by plain variables of
	// the scenario, which give no edges.
	{"a load publishes nothing", "data race on", func(x *explore.X) {
		inOrder(x, func(data *plain, flag *word) { data.get(); flag.load() }, func(data *plain, flag *word) { flag.load(); data.set(2) })
	}},
	{"a failed cas publishes nothing", "data race on", func(x *explore.X) {
		inOrder(x, func(data *plain, flag *word) { data.set(1); flag.cas(7, 8) }, func(data *plain, flag *word) { flag.add(1); data.set(2) })
	}},
	{"a store sees nothing", "data race on", func(x *explore.X) {
		inOrder(x, func(data *plain, flag *word) { data.set(1); flag.add(1) }, func(data *plain, flag *word) { flag.store(1); data.set(2) })
	}},
	{"a store cuts the chain", "data race on", func(x *explore.X) {
		inOrder(x, func(data *plain, flag *word) { data.set(1); flag.store(1) },
			func(_ *plain, flag *word) { flag.store(2) },
			func(data *plain, flag *word) { flag.load(); data.set(3) })
	}},
	{"a failed cas sees", "", func(x *explore.X) {
		inOrder(x, func(data *plain, flag *word) { data.set(1); flag.store(1) }, func(data *plain, flag *word) { flag.cas(7, 8); data.set(2) })
	}},
	{"an add keeps the chain", "", func(x *explore.X) {
		var data plain
		var flag word
		x.Go("a", func() { data.set(1); flag.add(1) })
		x.Go("b", func() { flag.add(2) })
		x.Go("c", func() {
			if flag.load() == 3 {
				data.set(3)
			}
		})
	}},
	{"locks in two orders", "deadlock", twoLocks(false)},
	{"locks in one order", "", twoLocks(true)},
	{"a condition acquires", "", func(x *explore.X) {
		var flag word
		var data plain
		x.Go("writer", func() { data.set(1); flag.store(1) })
		x.Go("reader", func() {
			explore.Block(func() bool { return flag.load() == 1 })
			data.get()
		})
		x.Go("late reader", func() {
			for !explore.BlockTimeout(func() bool { return flag.load() == 1 }) {
			}
			data.get()
		})
	}},
	{"a lock orders plain fields", "", func(x *explore.X) {
		var l lock
		var data plain
		for _, name := range []string{"a", "b", "c"} {
			x.Go(name, func() {
				l.lock()
				data.set(data.get() + 1)
				l.unlock()
			})
		}
		x.Check(func() {
			if data.v != 3 {
				x.Failf("%d", data.v)
			}
		})
	}},
	{"lost wake-up", "deadlock: nothing can happen any more, but sleeper is blocked", sleeper(false)},
	{"wake-up", "", sleeper(true)},
	{"spin for ever", "livelock: nothing can happen any more, but a is spinning", func(x *explore.X) {
		var w word
		x.Go("a", func() { spinUntil(&w, 1) })
		x.Go("b", func() { w.store(2) })
	}},
	{"spin", "", func(x *explore.X) {
		var w, v word
		x.Go("a", func() { spinUntil(&w, 1); v.store(1) })
		x.Go("b", func() { w.store(1); spinUntil(&v, 1) })
	}},
	{"two thank each other for ever", "livelock: more than 10000 steps", func(x *explore.X) {
		var w word
		x.Go("a", func() {
			for w.load() < 1<<40 {
				w.add(1)
				explore.Spin()
			}
		})
		x.Go("b", func() { spinUntil(&w, 1<<40) })
	}},
}

func TestClassics(t *testing.T) {
	for _, o := range []explore.Options{
		{Preemptions: 3},
		{Search: explore.DPOR},
		{Search: explore.PCT, Depth: 3, MaxExecutions: 2000},
		{Search: explore.Random, MaxExecutions: 2000},
	} {
		for _, c := range classics {
			t.Run(o.Search.String()+"/"+c.name, func(t *testing.T) { testClassic(t, o, c.want, c.body) })
		}
	}
}

func testClassic(t *testing.T, o explore.Options, want string, body func(x *explore.X)) {
	t.Helper()
	if want == "" {
		explore.Test(t, o, body)
		return
	}
	res := explore.MustFail(t, o, body)
	if !strings.Contains(res.Failure.Reason, want) {
		t.Fatalf("%v\nwant a failure with: %s", res.Failure, want)
	}
	if strings.Contains(res.Failure.Reason, "not deterministic") {
		t.Fatal(res.Failure)
	}
	// The replay string leads to the same place.
	again := explore.Run(explore.Options{Replay: res.Failure.Replay}, body)
	if again.Failure == nil || again.Failure.Reason != res.Failure.Reason {
		t.Fatalf("the replay gave %v\nwant %v", again.Failure, res.Failure)
	}
	if again.Executions != 1 || again.Failure.Trace != res.Failure.Trace {
		t.Fatalf("the replay has another trace: %s\nwant %s", again.Failure.Trace, res.Failure.Trace)
	}
}
