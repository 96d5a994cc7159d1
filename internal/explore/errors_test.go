package explore_test

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/evdengine/evd/internal/explore"
)

// recorder is a testing.TB that remembers instead of failing.
type recorder struct {
	testing.TB
	name    string
	log     []string
	fatal   string
	skipped string
}

func (r *recorder) Name() string { return r.name }
func (r *recorder) Helper()      {}
func (r *recorder) Log(args ...any) {
	r.log = append(r.log, strings.TrimSpace(fmt.Sprintln(args...)))
}
func (r *recorder) Logf(format string, args ...any) { r.Log(fmt.Sprintf(format, args...)) }
func (r *recorder) Fatal(args ...any) {
	r.fatal = strings.TrimSpace(fmt.Sprintln(args...))
	runtime.Goexit()
}
func (r *recorder) Fatalf(format string, args ...any) { r.Fatal(fmt.Sprintf(format, args...)) }
func (r *recorder) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
func (r *recorder) FailNow() { r.Fatal("FailNow") }

// record runs fn as a test of its own would.
func record(t *testing.T, fn func(t testing.TB)) *recorder {
	r := &recorder{TB: t, name: "Recorded"}
	done := make(chan struct{})
	go func() {
		defer close(done)
		fn(r)
	}()
	<-done
	return r
}

func (r *recorder) want(t *testing.T, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(r.fatal, p) {
			t.Errorf("the test ended with:\n%s\nwant in it: %s", r.fatal, p)
		}
	}
}

func TestReports(t *testing.T) {
	t.Run("Test", func(t *testing.T) {
		r := record(t, func(t testing.TB) { explore.Test(t, explore.Options{}, lostUpdate) })
		r.want(t, "Recorded: n is 1, want 2", "replay: 1-1z.1", explore.ReplayEnv+"='Recorded@1-1z.1'",
			"a  load   n  0       explore/classic_test.go:", "! b  start", "b  store  n  0 -> 1", "a is done")
	})
	t.Run("MustFail", func(t *testing.T) {
		r := record(t, func(t testing.TB) { explore.MustFail(t, explore.Options{}, dekker(true)) })
		r.want(t, "Recorded: no failure found in", "complete: true")
	})
	t.Run("incomplete", func(t *testing.T) {
		o := explore.Options{Name: "big", MaxExecutions: 10}
		r := record(t, func(t testing.TB) { explore.Test(t, o, dekker(true)) })
		r.want(t, "big: not complete after 10 executions")
		o.AllowIncomplete = true
		if r = record(t, func(t testing.TB) { explore.Test(t, o, dekker(true)) }); r.fatal != "" {
			t.Error(r.fatal)
		}
	})
	t.Run("environment", func(t *testing.T) {
		t.Setenv(explore.ReplayEnv, "Recorded@1-1z.1")
		r := record(t, func(t testing.TB) { explore.Test(t, explore.Options{}, lostUpdate) })
		r.want(t, "n is 1, want 2", "trace")
		r = record(t, func(t testing.TB) { explore.MustFail(t, explore.Options{}, lostUpdate) })
		if r.fatal != "" || !strings.Contains(strings.Join(r.log, "\n"), "trace") {
			t.Errorf("%q, log %q", r.fatal, r.log)
		}
		// Not for this one.
		r = record(t, func(t testing.TB) { explore.Test(t, explore.Options{Name: "other"}, dekker(true)) })
		if r.fatal != "" || r.skipped != "other: not searched: EVD_EXPLORE_REPLAY is for Recorded" {
			t.Errorf("%q, skipped %q", r.fatal, r.skipped)
		}
		r = record(t, func(t testing.TB) { explore.MustFail(t, explore.Options{Name: "other"}, lostUpdate) })
		if r.fatal != "" || r.skipped == "" {
			t.Errorf("%q, skipped %q", r.fatal, r.skipped)
		}
		t.Setenv(explore.ReplayEnv, "Recorded@")
		r = record(t, func(t testing.TB) { explore.Test(t, explore.Options{}, lostUpdate) })
		r.want(t, `bad EVD_EXPLORE_REPLAY "Recorded@": allowed are`)
		// Without a name: for all.
		t.Setenv(explore.ReplayEnv, "1-1z.1")
		r = record(t, func(t testing.TB) { explore.MustFail(t, explore.Options{Name: "other"}, dekker(true)) })
		r.want(t, "other: the replay passes", "trace")
		r = record(t, func(t testing.TB) { explore.Test(t, explore.Options{Name: "other"}, dekker(true)) })
		if r.fatal != "" || !strings.Contains(r.skipped, "other: the replay of EVD_EXPLORE_REPLAY passes") || !strings.Contains(r.skipped, "trace") {
			t.Errorf("%q, skipped %q", r.fatal, r.skipped)
		}
		// One that stands beside the scenario is a test like others.
		r = record(t, func(t testing.TB) { explore.Test(t, explore.Options{Replay: "1-1z.1"}, dekker(true)) })
		if r.fatal != "" || r.skipped != "" || !strings.Contains(strings.Join(r.log, "\n"), "the replay passes") {
			t.Errorf("%q, skipped %q, log %q", r.fatal, r.skipped, r.log)
		}
	})
}

func TestLongTrace(t *testing.T) {
	f := explore.Run(explore.Options{MaxSteps: 2000}, func(x *explore.X) {
		var w word
		x.Go("a", func() {
			for {
				w.load()
			}
		})
	}).Failure
	if n := strings.Count(f.Trace, "\n"); n > 720 || !strings.Contains(f.Trace, "... 1301 lines ...") {
		t.Fatalf("%d lines:\n%s", n, f.Trace)
	}
}

// A test may be failed from anywhere; nothing is left behind and the replay
// string is told.
func TestFailNowInside(t *testing.T) {
	for name, body := range map[string]func(t testing.TB, x *explore.X){
		"body": func(t testing.TB, _ *explore.X) { t.FailNow() },
		"thread": func(t testing.TB, x *explore.X) {
			var w word
			x.Go("a", func() {
				if w.load() == 1 {
					t.FailNow()
				}
			})
			x.Go("b", func() { w.store(1) })
			x.Daemon("d", func() { explore.Block(func() bool { return false }) })
		},
		"check": func(t testing.TB, x *explore.X) {
			x.Go("a", func() {})
			x.Check(func() { t.FailNow() })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := record(t, func(t testing.TB) {
				explore.Test(t, explore.Options{}, func(x *explore.X) { body(t, x) })
			})
			r.want(t, "FailNow")
			if log := strings.Join(r.log, "\n"); !strings.Contains(log, "ended from inside the scenario\nreplay: 0-") {
				t.Errorf("log: %s", log)
			}
			if explore.Active() {
				t.Error("an execution is left over")
			}
			explore.Test(t, explore.Options{}, dekker(true)) // still works
		})
	}
}

func TestFailures(t *testing.T) {
	calls := 0
	never := func() bool { return false }
	for _, c := range []classic{
		{"panic", "panic in a: oh", func(x *explore.X) { x.Go("a", func() { panic("oh") }) }},
		{"panic has a stack", "explore_test.TestFailures", func(x *explore.X) { x.Go("a", func() { panic("oh") }) }},
		{"panic in the body", "panic in the scenario body: oh", func(*explore.X) { panic("oh") }},
		{"panic in a check", "panic in a Check: oh", func(x *explore.X) { x.Check(func() { panic("oh") }) }},
		{"panic in a condition", "oh", func(x *explore.X) {
			x.Go("a", func() {
				n := 0
				explore.Block(func() bool {
					if n++; n > 1 {
						panic("oh")
					}
					return false
				})
			})
			x.Go("b", func() {})
		}},
		{"Failf", "no 7", func(x *explore.X) {
			x.Go("a", func() {
				defer func() {
					if r := recover(); r != nil {
						panic("Failf must not look like a panic")
					}
				}()
				x.Failf("no %d", 7)
				panic("Failf returned")
			})
		}},
		{"Failf in the body", "no", func(x *explore.X) { x.Failf("no") }},
		{"Failf in a condition", "no", func(x *explore.X) {
			x.Go("a", func() { explore.Block(func() bool { x.Failf("no"); return true }) })
		}},
		{"only the first", "one", func(x *explore.X) {
			x.Check(func() { x.Failf("one") })
			x.Check(func() { x.Failf("two") })
		}},
		{"livelock by steps", "more than 100 steps", func(x *explore.X) {
			var w word
			x.Go("a", func() {
				for {
					w.load()
				}
			})
		}},
		{"livelock by time", "more than 100 steps", func(x *explore.X) {
			x.Go("a", func() {
				for !explore.BlockTimeout(never) {
				}
			})
		}},
		{"check that loops", "more than 100 operations in the body or a Check", func(x *explore.X) {
			var w word
			x.Check(func() {
				for w.load() == 0 {
					explore.Spin()
				}
			})
		}},
		{"check that blocks", "blocked for ever: threads do not run", func(x *explore.X) {
			x.Check(func() { explore.Block(never) })
		}},
		{"body that blocks", "blocked for ever: threads do not run", func(*explore.X) { explore.Block(never) }},
		{"thread in a check", "a thread was started in a Check", func(x *explore.X) {
			x.Check(func() { x.Go("a", func() {}) })
		}},
		{"too many threads", "more than 32 threads", func(x *explore.X) {
			for range 33 {
				x.Go("a", func() {})
			}
		}},
		{"bad Choose", "bad Choose(0): allowed are 1 to 255", func(x *explore.X) { x.Choose(0) }},
		{"Choose in a condition", "Choose was called in a condition", func(x *explore.X) {
			x.Go("a", func() { explore.Block(func() bool { return x.Choose(2) == 1 }) })
		}},
		{"deadlock names the places", "a is blocked at explore/errors_test.go:", func(x *explore.X) {
			x.Go("a", func() { explore.Block(never) })
		}},
		{"joins in a ring", "deadlock", func(x *explore.X) {
			var b *explore.Thread
			a := x.Go("a", func() { b.Join() })
			b = x.Go("b", func() { a.Join() })
		}},
		{"other operations", "not deterministic", func(x *explore.X) {
			calls++
			var v, w word
			x.Go("a", func() { v.load(); v.load() })
			x.Go("b", func() {
				if calls%2 == 0 {
					v.load()
				} else {
					w.load()
					w.load()
				}
				v.load()
			})
		}},
		{"other addresses", "not deterministic", func(x *explore.X) {
			calls++
			var w [2]word
			x.Go("a", func() { w[0].load(); w[calls%2].load(); w[0].load() })
			x.Go("b", func() { w[1].load(); w[1].load() })
		}},
		{"fewer decisions", "not deterministic", func(x *explore.X) {
			calls++
			x.Choose(2)
			if calls == 1 {
				x.Choose(2)
			}
		}},
		{"does not fail again", "the replay did not fail", func(x *explore.X) {
			calls++
			if calls == 1 {
				x.Failf("by chance")
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := runtime.NumGoroutine()
			calls = 0
			res := explore.MustFail(t, explore.Options{MaxSteps: 100}, c.body)
			if !strings.Contains(res.Failure.Reason, c.want) {
				t.Errorf("%v\nwant: %s", res.Failure, c.want)
			}
			noMoreGoroutines(t, before)
			if explore.Active() {
				t.Error("an execution is left over")
			}
		})
	}
}

func TestNothingLeaks(t *testing.T) {
	before := runtime.NumGoroutine()
	explore.Test(t, explore.Options{Preemptions: explore.NoPreemptions}, func(x *explore.X) {
		var w word
		for range 2 {
			x.Go("t", func() { w.add(1) })
			x.Daemon("d", func() { spinUntil(&w, 100) })
		}
	})
	noMoreGoroutines(t, before)
}

// noMoreGoroutines waits until there are no more than before: a goroutine that
// has told of its end (worker.kill makes such) is counted for a moment longer.
func noMoreGoroutines(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestHooksWithoutExecution(t *testing.T) {
	var w word
	if explore.Point(unsafe.Pointer(&w), explore.OpLoad) {
		t.Error("Point tracks without an execution")
	}
	explore.Done(0, 0, true)
	explore.Sync(unsafe.Pointer(&w), explore.OpLock, 0, 1)
	explore.Read(unsafe.Pointer(&w))
	explore.Write(unsafe.Pointer(&w))
	explore.Block(func() bool { return false })
	explore.Spin()
	if explore.BlockTimeout(func() bool { return false }) || explore.Active() || explore.Go("a", func() {}) {
		t.Error("an execution without a search")
	}
}

func TestParallelSearchesTakeTurns(t *testing.T) {
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			explore.Test(t, explore.Options{}, dekker(true))
		})
	}
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]explore.Options{
		"Preemptions -3":   {Preemptions: -3},
		"MaxExecutions -1": {MaxExecutions: -1},
		"MaxSteps -1":      {MaxSteps: -1},
		"SpinRounds -1":    {SpinRounds: -1},
		"Search 4":         {Search: 4},
		"Depth -1":         {Depth: -1},
		"replay string":    {Replay: "x"},
	} {
		res := explore.Run(o, func(*explore.X) { t.Error("the body ran") })
		if res.Failure == nil || !strings.Contains(res.Failure.Reason, want) || !strings.Contains(res.Failure.Reason, "allowed") {
			t.Errorf("%+v: %v, want an error with %q and what is allowed", o, res.Failure, want)
		}
	}
	for _, s := range []string{"1", "-1", "x-", "1-x", "1-1.", "1-256", "1--1", "1-99999999z", "u-1z.z"} {
		if res := explore.Run(explore.Options{Replay: s}, lostUpdate); res.Failure == nil || res.Executions != 0 {
			t.Errorf("replay string %q: %+v", s, res)
		}
	}
}

// A replay string that is not of this scenario is told, however its execution
// ends.
func TestReplayDoesNotFit(t *testing.T) {
	for s, want := range map[string]string{
		"1-9":             "the replay string does not fit: decision 1 is 9, but there are 2 possibilities",
		"1-1000z.1":       "^the replay string does not fit: 999 decisions left over",
		"1-1z.1.1000z.99": "^n is 1, want 2\nthe replay string does not fit: 1001 decisions left over",
	} {
		f := explore.Run(explore.Options{Replay: s}, lostUpdate).Failure
		if f == nil || !regexp.MustCompile(want).MatchString(f.Reason) || f.Trace == "" || strings.Count(f.Reason, "fit") != 1 {
			t.Errorf("%s: %v, want %s", s, f, want)
		}
	}
	// What a search prints fits.
	for _, search := range []explore.Search{explore.DFS, explore.DPOR, explore.PCT, explore.Random} {
		first := explore.Run(explore.Options{Search: search}, lostUpdate).Failure
		again := explore.Run(explore.Options{Replay: first.Replay}, lostUpdate).Failure
		if again == nil || again.Reason != first.Reason {
			t.Errorf("%v: %v became %v", search, first, again)
		}
	}
	// Zeros at the end say nothing.
	if f := explore.Run(explore.Options{Replay: "1-1000z"}, lostUpdate).Failure; f != nil {
		t.Error(f)
	}
}

// Any decisions survive the way into a replay string and back.
func TestReplayStrings(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	for range 300 {
		picks := make([]int, r.IntN(12))
		for i := range picks {
			if r.IntN(2) == 0 {
				picks[i] = r.IntN(255)
			}
		}
		body := func(got *[]int) func(x *explore.X) {
			return func(x *explore.X) {
				*got = nil
				for _, p := range picks {
					*got = append(*got, x.Choose(max(p+1, 2)))
				}
				if slices.Equal(*got, picks) {
					x.Failf("there")
				}
			}
		}
		var got []int
		s := explore.Encode(2, picks)
		if f := explore.Run(explore.Options{Replay: s}, body(&got)).Failure; f == nil || f.Reason != "there" {
			t.Fatalf("%v by %s became %v: %v", picks, s, got, f)
		}
	}
}
