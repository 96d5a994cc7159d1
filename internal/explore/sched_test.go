package explore_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/evdengine/evd/internal/explore"
)

// outcomes explores a scenario that puts its outcome into a string, and
// returns the different ones.
func outcomes(t *testing.T, o explore.Options, body func(x *explore.X, out *string)) []string {
	t.Helper()
	all := map[string]bool{}
	explore.Test(t, o, func(x *explore.X) {
		out := new(string)
		body(x, out)
		x.Check(func() { all[*out] = true })
	})
	return slices.Sorted(maps.Keys(all))
}

func wantOutcomes(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Fatalf("outcomes %q, want %q", got, want)
	}
}

// A loop whose turns write may run again at once when something it read has
// been changed meanwhile.
func TestSpinOfLoopThatWrites(t *testing.T) {
	explore.MustFail(t, explore.Options{Preemptions: 3}, func(x *explore.X) {
		var a, c word
		x.Go("loop", func() {
			for a.load()&1 == 0 {
				a.add(2)
				explore.Spin()
			}
			c.store(1)
		})
		x.Go("other", func() {
			before := a.add(1) - 1
			if before == 0 && a.load() == 3 && c.load() == 1 {
				x.Failf("a turn began before the add and ended after it, and the loop ended before the load of c")
			}
		})
	})
}

// A spinner must not take part when nothing has been written for it.
func TestSpinIsCheap(t *testing.T) {
	run := func(wait func(w *word)) int {
		return explore.Test(t, explore.Options{}, func(x *explore.X) {
			var w, v word
			x.Go("waiter", func() { wait(&w) })
			x.Go("worker", func() {
				for range 20 {
					v.load()
				}
				w.store(1)
				v.load()
				v.load()
			})
		}).Executions
	}
	spin := run(func(w *word) { spinUntil(w, 1) })
	block := run(func(w *word) { explore.Block(func() bool { return w.v == 1 }) })
	if spin != block {
		t.Fatalf("%d executions with spinning, %d with blocking", spin, block)
	}
}

func TestTimeoutIsAChoice(t *testing.T) {
	for timeouts, want := range map[int][]string{
		1:  {"in time, then false", "late, then false", "late, then true"},
		-1: {"in time, then false"},
	} {
		got := outcomes(t, explore.Options{Timeouts: timeouts}, func(x *explore.X, out *string) {
			var token, seen word
			first, then := "late", false
			x.Go("waiter", func() {
				if explore.BlockTimeout(func() bool { return token.load() == 1 }) {
					first = "in time"
				} else {
					seen.store(1)
				}
			})
			x.Go("waker", func() {
				then = seen.load() == 1
				token.store(1)
			})
			x.Check(func() { *out = fmt.Sprintf("%s, then %v", first, then) })
		})
		wantOutcomes(t, got, want...)
	}
}

// Timeouts that only happen because nothing else can still come in any order.
func TestLastTimeoutsInAnyOrder(t *testing.T) {
	never := func() bool { return false }
	o := explore.Options{Timeouts: -1}
	t.Run("writing", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, o, func(x *explore.X, out *string) {
			var w word
			for i := range 3 {
				x.Daemon(fmt.Sprint(i), func() {
					explore.BlockTimeout(never)
					w.cas(0, uint64(i+1))
					for {
						explore.BlockTimeout(never)
					}
				})
			}
			x.Check(func() { *out = fmt.Sprint(w.v) })
		}), "1", "2", "3")
	})
	t.Run("ending", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, o, func(x *explore.X, out *string) {
			for _, name := range []string{"a", "b"} {
				x.Go(name, func() {
					explore.BlockTimeout(never)
					*out += name
				})
			}
		}), "ab", "ba")
	})
	t.Run("blocking", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, o, func(x *explore.X, out *string) {
			for _, name := range []string{"a", "b"} {
				x.Daemon(name, func() {
					explore.BlockTimeout(never)
					*out += name
					explore.Block(never)
				})
			}
		}), "ab", "ba")
	})
	t.Run("starting", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, o, func(x *explore.X, out *string) {
			wait := func() {
				for {
					explore.BlockTimeout(never)
				}
			}
			for _, name := range []string{"a", "b"} {
				x.Daemon(name, func() {
					explore.BlockTimeout(never)
					x.Daemon("child of "+name, func() {
						*out += name
						wait()
					})
					wait()
				})
			}
		}), "ab", "ba")
	})
	t.Run("choosing", func(t *testing.T) {
		wantOutcomes(t, outcomes(t, o, func(x *explore.X, out *string) {
			for _, name := range []string{"a", "b"} {
				x.Daemon(name, func() {
					for range 2 {
						explore.BlockTimeout(never)
						if len(*out) < 2 {
							*out += name + fmt.Sprint(x.Choose(2))
						}
					}
					explore.Block(never)
				})
			}
		}), "a0", "a1", "b0", "b1")
	})
	t.Run("idle", func(t *testing.T) {
		res := explore.Test(t, o, func(x *explore.X) {
			for i := range 5 {
				x.Daemon(fmt.Sprint(i), func() {
					for {
						explore.BlockTimeout(never)
					}
				})
			}
		})
		if res.Executions != 5*4*3*2 { // they start in any order
			t.Fatalf("%d executions of threads that do nothing", res.Executions)
		}
	})
}

// Loops with a counter break the contract of Spin; SpinRounds is for them.
func TestSpinRounds(t *testing.T) {
	body := func(x *explore.X, out *string) {
		for _, name := range []string{"a", "b"} {
			x.Go(name, func() {
				for range 3 {
					explore.Spin()
				}
				*out += name
			})
		}
	}
	var out string
	for rounds := range 3 {
		res := explore.MustFail(t, explore.Options{SpinRounds: rounds}, func(x *explore.X) { body(x, &out) })
		if !strings.HasPrefix(res.Failure.Reason, "livelock") {
			t.Fatal(res.Failure)
		}
	}
	n := 0
	wantOutcomes(t, outcomes(t, explore.Options{SpinRounds: 3}, func(x *explore.X, out *string) {
		n++
		body(x, out)
	}), "ab", "ba")
	if n != 2*2 { // they start, and end, in any order; what is between does not matter
		t.Fatalf("%d executions", n)
	}
}

func TestDaemons(t *testing.T) {
	// All queued work is done before the checks, in every execution, by a
	// worker that spins and by one that blocks.
	for name, wait := range map[string]func(q *word){
		"spinning": func(q *word) {
			for q.load() == 0 {
				explore.Spin()
			}
		},
		"blocking": func(q *word) { explore.Block(func() bool { return q.load() > 0 }) },
		"timed": func(q *word) {
			for !explore.BlockTimeout(func() bool { return q.load() > 0 }) {
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			explore.Test(t, explore.Options{Preemptions: 3}, func(x *explore.X) {
				var queue, done word
				stopped := false
				x.Daemon("worker", func() {
					defer func() { stopped = true }()
					for {
						wait(&queue)
						queue.add(^uint64(0))
						done.add(1)
					}
				})
				for _, p := range []string{"a", "b"} {
					x.Go(p, func() { queue.add(1) })
				}
				x.Check(func() {
					if queue.load() != 0 || done.load() != 2 {
						x.Failf("%d in the queue, %d done", queue.load(), done.load())
					}
					if stopped {
						x.Failf("the daemon was stopped before the check")
					}
				})
			})
		})
	}
}

func TestDaemonsAreUnwound(t *testing.T) {
	unwound := 0
	res := explore.Test(t, explore.Options{}, func(x *explore.X) {
		var w word
		x.Daemon("d", func() {
			defer func() {
				if r := recover(); r != nil {
					t.Errorf("recover returned %v: stopping must not look like a panic", r)
				}
				w.store(1) // not tracked, does not hang
				unwound++
				explore.Spin() // leaves for good
				t.Error("Spin returned in a stopped thread")
			}()
			explore.Block(func() bool { return false })
			t.Error("Block returned")
		})
		x.Go("t", func() { w.load(); w.load() })
	})
	if unwound != res.Executions {
		t.Fatalf("%d executions, %d daemons unwound", res.Executions, unwound)
	}
}

func TestThreadsFromThreads(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: 3}, func(x *explore.X) {
		var a, b plain
		x.Go("parent", func() {
			a.set(1)
			child := x.Go("child", func() {
				if a.get() != 1 {
					x.Failf("the child does not see the parent's write")
				}
				b.set(2)
			})
			child.Join()
			if b.get() != 2 {
				x.Failf("the parent does not see the child's write")
			}
		})
	})
	explore.MustFail(t, explore.Options{}, func(x *explore.X) {
		var a plain
		x.Go("parent", func() {
			x.Go("child", func() { a.set(1) })
			a.set(2) // after the start
		})
	})
	explore.MustFail(t, explore.Options{}, func(x *explore.X) {
		var a plain
		x.Go("parent", func() {
			x.Go("child", func() { a.set(1) })
			explore.Spin() // not a join
			a.set(2)
		})
	})
}

func TestChoose(t *testing.T) {
	got := outcomes(t, explore.Options{}, func(x *explore.X, out *string) {
		i := x.Choose(3)
		x.Go("a", func() { *out = fmt.Sprint(i, x.Choose(1), x.Choose(2)) })
	})
	wantOutcomes(t, got, "0 0 0", "0 0 1", "1 0 0", "1 0 1", "2 0 0", "2 0 1")
}

// An operation whose outcome is not reported counts as a write.
func TestPointWithoutDone(t *testing.T) {
	explore.Test(t, explore.Options{}, func(x *explore.X) {
		flag, data := new(int), new(plain)
		x.Go("writer", func() {
			data.set(1)
			explore.Point(unsafe.Pointer(flag), explore.OpStore)
			*flag = 1
		})
		x.Go("reader", func() {
			for {
				explore.Point(unsafe.Pointer(flag), explore.OpLoad)
				if *flag == 1 {
					break
				}
				explore.Spin()
			}
			data.get()
		})
	})
}

func TestRandom(t *testing.T) {
	o := explore.Options{Search: explore.Random, MaxExecutions: 500, Seed: 3}
	res := explore.MustFail(t, o, lostUpdate)
	if again := explore.Run(o, lostUpdate); again.Executions != res.Executions {
		t.Fatalf("%d and %d executions with the same seed", res.Executions, again.Executions)
	}
	if f := explore.Run(explore.Options{Replay: res.Failure.Replay}, lostUpdate).Failure; f == nil || f.Reason != res.Failure.Reason {
		t.Fatalf("the replay gave %v", f)
	}
	if res = explore.Test(t, o, dekker(true)); res.Executions != 500 || res.Complete {
		t.Fatalf("%+v", res)
	}
}
