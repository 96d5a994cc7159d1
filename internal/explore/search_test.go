package explore_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/evdengine/evd/internal/explore"
)

// said collects what a scenario says about its executions.
func said(t *testing.T, o explore.Options, body func(x *explore.X, say func(string))) []string {
	t.Helper()
	seen := map[string]bool{}
	explore.Test(t, o, func(x *explore.X) { body(x, func(s string) { seen[s] = true }) })
	return slices.Sorted(maps.Keys(seen))
}

// What the random programs have not: conditions that the explorer cannot see
// into, threads that start threads, plain stores whose order decides.
func TestReductionMissesNothing(t *testing.T) {
	for name, body := range map[string]func(x *explore.X, say func(string)){
		"conditions on what nobody sees": func(x *explore.X, say func(string)) {
			open, other := true, new(word)
			entered := false
			x.Daemon("guest", func() {
				explore.Block(func() bool { return open })
				entered = true
			})
			x.Go("host", func() {
				other.store(1)
				open = false // seen by whoever looks after the store
				other.store(2)
			})
			x.Check(func() { say(fmt.Sprint(entered)) })
		},
		"threads of threads": func(x *explore.X, say func(string)) {
			w := new(word)
			var got [3]uint64
			x.Go("parent", func() {
				child := x.Go("child", func() {
					got[0] = w.load()
					x.Go("grandchild", func() { w.store(3) })
				})
				w.store(1)
				child.Join()
				got[1] = w.load()
			})
			x.Go("other", func() { got[2] = w.add(10) })
			x.Check(func() { say(fmt.Sprint(got, w.load())) })
		},
		"a choice between operations": func(x *explore.X, say func(string)) {
			v, w := new(word), new(word)
			var got [2]uint64
			x.Go("a", func() {
				v.store(1)
				if x.Choose(2) == 1 {
					w.store(1)
				}
				got[0] = v.load()
			})
			x.Go("b", func() {
				v.store(2)
				got[1] = w.load()
			})
			x.Check(func() { say(fmt.Sprint(got, v.load(), w.load())) })
		},
		"an object that says what it waits for": func(x *explore.X, say func(string)) {
			full := 0
			addr := unsafe.Pointer(&full)
			order := ""
			for _, name := range []string{"a", "b"} {
				x.Daemon(name, func() {
					explore.BlockOn(addr, func() bool { return full > 0 })
					full--
					explore.Sync(addr, explore.OpWait, 1, 0)
					order += name
				})
			}
			x.Go("c", func() {
				explore.Point(addr, explore.OpSignal)
				full++
				explore.Done(0, 1, true)
			})
			x.Check(func() { say(order) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			all := said(t, explore.Options{Preemptions: explore.Unbounded}, body)
			some := said(t, explore.Options{Search: explore.DPOR}, body)
			if len(all) < 2 || !slices.Equal(all, some) {
				t.Fatalf("without reduction %q, with reduction %q", all, some)
			}
		})
	}
}

// A bug that needs two preemptions: PCT finds it at depth 3 and not at depth
// 1, where nothing is ever preempted.
func TestPCTDepth(t *testing.T) {
	body := func(x *explore.X) {
		a, b := new(word), new(word)
		x.Go("reader", func() {
			v := a.load()
			if w := b.load(); v == 0 && w == 1 && a.load() == 2 {
				x.Failf("found")
			}
		})
		x.Go("writer", func() {
			b.store(1)
			a.store(1)
			a.store(2)
		})
	}
	for seed := range uint64(20) {
		o := explore.Options{Search: explore.PCT, Depth: 3, Seed: seed, MaxExecutions: 1000}
		first := explore.MustFail(t, o, body)
		if again := explore.Run(o, body); again.Executions != first.Executions {
			t.Fatalf("seed %d: %d and %d executions", seed, first.Executions, again.Executions)
		}
		o.Depth = 1
		if res := explore.Test(t, o, body); res.Executions != 1000 || res.Complete {
			t.Fatalf("%+v", res)
		}
	}
}

func TestMaxTime(t *testing.T) {
	o := explore.Options{Preemptions: explore.Unbounded, MaxTime: time.Nanosecond, AllowIncomplete: true}
	if res := explore.Test(t, o, dekker(true)); res.Complete || res.Executions > 1 {
		t.Fatalf("%+v", res)
	}
}

func TestOverride(t *testing.T) {
	for list, want := range map[string]explore.Options{
		"":                                   {},
		"bound=3":                            {Preemptions: 3},
		"bound=1":                            {Preemptions: 2}, // never lower than the default
		"bound=unbounded,time=1s":            {Preemptions: explore.Unbounded, MaxTime: time.Second, MaxExecutions: 1 << 62, AllowIncomplete: true},
		"search=pct,depth=5,executions=1000": {Search: explore.PCT, Depth: 5, MaxExecutions: 1000, AllowIncomplete: true},
		"search=random,seed=18446744073709551615": {Search: explore.Random, Seed: 1<<64 - 1},
		"search=dpor": {Search: explore.DPOR},
	} {
		got, err := explore.Options{}.Override(list)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v, want %+v", list, got, err, want)
		}
	}
	if o, err := (explore.Options{Preemptions: explore.Unbounded}).Override("bound=3"); err != nil || o.Preemptions != explore.Unbounded {
		t.Error(o, err)
	}
	for _, list := range []string{"bound", "bound=0", "bound=x", "search=best", "depth=0", "executions=-1", "time=0s", "time=5", "seed=-1", "speed=3", ",", "bound=3,"} {
		_, err := explore.Options{}.Override(list)
		if err == nil || !strings.Contains(err.Error(), "allowed are") || !strings.Contains(err.Error(), list) {
			t.Errorf("%q: %v", list, err)
		}
	}
	t.Setenv(explore.OverrideEnv, "search=pct,executions=7")
	if res := explore.Test(t, explore.Options{}, dekker(true)); res.Executions != 7 {
		t.Fatalf("%+v", res)
	}
}
