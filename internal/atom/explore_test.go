//go:build explore

package atom_test

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

func TestExploringIsOn(t *testing.T) {
	if !atom.Exploring {
		t.Fatal("this file is for the instrumented build")
	}
}

// The values are the same in the body, in a thread and in a Check.
func TestValuesInExecutions(t *testing.T) {
	all := func() {
		testNumbers(t)
		testOthers(t)
	}
	res := explore.Test(t, explore.Options{}, func(x *explore.X) {
		all()
		x.Go("a", all)
		x.Check(all)
	})
	if res.Steps < 60 {
		t.Fatalf("only %d steps were tracked", res.Steps)
	}
}

// lostUpdate makes two threads read and then write; wrong only if each access
// is a scheduling point.
func lostUpdate(load func() int, store func(int)) func(x *explore.X) {
	return func(x *explore.X) {
		store(0)
		for _, name := range []string{"a", "b"} {
			x.Go(name, func() { store(load() + 1) })
		}
		x.Check(func() {
			if n := load(); n != 2 {
				x.Failf("%d, want 2", n)
			}
		})
	}
}

func TestEveryTypeIsScheduled(t *testing.T) {
	var i32 atom.Int32
	var i64 atom.Int64
	var u32 atom.Uint32
	var u64 atom.Uint64
	var p atom.Pointer[int]
	var b [2]atom.Bool
	for name, body := range map[string]func(x *explore.X){
		"Int32":   lostUpdate(func() int { return int(i32.Load()) }, func(n int) { i32.Store(int32(n)) }),
		"Int64":   lostUpdate(func() int { return int(i64.Load()) }, func(n int) { i64.Store(int64(n)) }),
		"Uint32":  lostUpdate(func() int { return int(u32.Load()) }, func(n int) { u32.Store(uint32(n)) }),
		"Uint64":  lostUpdate(func() int { return int(u64.Load()) }, func(n int) { u64.Store(uint64(n)) }),
		"Pointer": lostUpdate(func() int { return *p.Load() }, func(n int) { p.Store(&n) }),
		"Bool": lostUpdate(func() int {
			if b[0].Load() {
				return 2
			}
			if b[1].Load() {
				return 1
			}
			return 0
		}, func(n int) { b[0].Store(n == 2); b[1].Store(n == 1) }),
	} {
		t.Run(name, func(t *testing.T) { explore.MustFail(t, explore.Options{}, body) })
	}
}

// Read-modify-writes are one step.
func TestEveryUpdateIsAtomic(t *testing.T) {
	explore.Test(t, explore.Options{Preemptions: explore.Unbounded}, func(x *explore.X) {
		var i32 atom.Int32
		var i64 atom.Int64
		var u32 atom.Uint32
		var u64 atom.Uint64
		var p atom.Pointer[atom.Int64]
		won := 0
		for i, name := range []string{"a", "b"} {
			x.Go(name, func() {
				i32.Add(1)
				i64.Or(1 << i)
				u32.Swap(7)
				if u64.CompareAndSwap(0, 1) {
					won++
				}
				p.CompareAndSwap(nil, &i64)
			})
		}
		x.Check(func() {
			if i32.Load() != 2 || i64.Load() != 3 || u32.Load() != 7 || won != 1 || p.Load() != &i64 {
				x.Failf("%d %d %d %d", i32.Load(), i64.Load(), u32.Load(), won)
			}
		})
	})
}

func TestPlainHooks(t *testing.T) {
	body := func(first, second func(p unsafe.Pointer)) func(x *explore.X) {
		return func(x *explore.X) {
			var flag atom.Bool
			n := new(int)
			x.Go("a", func() {
				first(unsafe.Pointer(n))
				flag.Store(true)
			})
			x.Go("b", func() {
				flag.Load() // and does not care
				second(unsafe.Pointer(n))
			})
		}
	}
	explore.MustFail(t, explore.Options{}, body(atom.PlainWrite, atom.PlainRead))
	explore.MustFail(t, explore.Options{}, body(atom.PlainRead, atom.PlainWrite))
	explore.MustFail(t, explore.Options{}, body(atom.PlainWrite, atom.PlainWrite))
	explore.Test(t, explore.Options{}, body(atom.PlainRead, atom.PlainRead))
}

func TestTokenInExecutions(t *testing.T) {
	t.Run("hands over", func(t *testing.T) {
		explore.Test(t, explore.Options{}, func(x *explore.X) {
			tok, n := atom.NewToken(), new(int)
			x.Go("waiter", func() {
				if tok.C() != nil {
					x.Failf("C is not nil")
				}
				tok.Wait()
				atom.PlainRead(unsafe.Pointer(n))
			})
			x.Go("waker", func() {
				atom.PlainWrite(unsafe.Pointer(n))
				tok.Signal()
			})
		})
	})
	t.Run("coalesces", func(t *testing.T) {
		res := explore.MustFail(t, explore.Options{}, func(x *explore.X) {
			tok := atom.NewToken()
			x.Go("waiter", func() { tok.Wait(); tok.Wait() })
			x.Go("waker", func() { tok.Signal(); tok.Signal() })
		})
		if !strings.HasPrefix(res.Failure.Reason, "deadlock") {
			t.Fatal(res.Failure)
		}
	})
	t.Run("a dropped signal publishes nothing", func(t *testing.T) {
		explore.MustFail(t, explore.Options{}, func(x *explore.X) {
			tok, n := atom.NewToken(), new(int)
			tok.Signal()
			x.Go("waiter", func() {
				tok.Wait()
				atom.PlainRead(unsafe.Pointer(n))
			})
			x.Go("waker", func() {
				atom.PlainWrite(unsafe.Pointer(n))
				tok.Signal()
			})
		})
	})
	t.Run("times out or not", func(t *testing.T) {
		seen := map[bool]int{}
		explore.Test(t, explore.Options{}, func(x *explore.X) {
			tok := atom.NewToken()
			got := false
			x.Go("waiter", func() { got = tok.WaitTimeout(time.Hour) })
			x.Go("waker", tok.Signal)
			x.Check(func() {
				seen[got]++
				if tok.TryWait() == got {
					x.Failf("took the token: %v, and it is there: %v", got, !got)
				}
			})
		})
		if seen[true] == 0 || seen[false] == 0 {
			t.Fatalf("outcomes: %v", seen)
		}
	})
	t.Run("times out at last", func(t *testing.T) {
		explore.Test(t, explore.Options{}, func(x *explore.X) {
			tok := atom.NewToken()
			x.Go("waiter", func() {
				for range 5 {
					if tok.WaitTimeout(time.Hour) || tok.TryWait() {
						x.Failf("found a token")
					}
				}
			})
		})
	})
}

func TestMutexInExecutions(t *testing.T) {
	count := func(lock bool) func(x *explore.X) {
		return func(x *explore.X) {
			var m atom.Mutex
			var n int
			for _, name := range []string{"a", "b", "c"} {
				x.Go(name, func() {
					if lock {
						m.Lock()
						defer m.Unlock()
					} else if m.TryLock() {
						defer m.Unlock()
					}
					atom.PlainWrite(unsafe.Pointer(&n))
					n++
				})
			}
			x.Check(func() {
				if n != 3 || !m.TryLock() {
					x.Failf("n is %d", n)
				}
				m.Unlock()
			})
		}
	}
	explore.Test(t, explore.Options{}, count(true))
	explore.MustFail(t, explore.Options{}, count(false))
	res := explore.MustFail(t, explore.Options{}, func(x *explore.X) {
		var m atom.Mutex
		x.Go("a", m.Unlock)
	})
	if !strings.Contains(res.Failure.Reason, "unlock of unlocked") {
		t.Fatal(res.Failure)
	}
}

// queue is the classic use of a Cond: signalled with or without the mutex.
func queue(consumers int, wake func(c *atom.Cond), check func(more func() bool, wait func())) func(x *explore.X) {
	return func(x *explore.X) {
		var m atom.Mutex
		c := atom.NewCond(&m)
		n := 0
		for i := range consumers {
			x.Go(string(rune('a'+i)), func() {
				m.Lock()
				check(func() bool { return n > 0 }, c.Wait)
				if n--; n < 0 {
					x.Failf("took from an empty queue")
				}
				m.Unlock()
			})
		}
		x.Go("producer", func() {
			for range consumers {
				m.Lock()
				n++
				m.Unlock()
				wake(c)
			}
		})
		x.Check(func() {
			if n != 0 {
				x.Failf("n is %d", n)
			}
		})
	}
}

func loop(more func() bool, wait func()) {
	for !more() {
		wait()
	}
}

func TestCondInExecutions(t *testing.T) {
	once := func(more func() bool, wait func()) {
		if !more() {
			wait()
		}
	}
	o := explore.Options{}
	explore.Test(t, o, queue(2, (*atom.Cond).Signal, loop))
	explore.Test(t, o, queue(2, (*atom.Cond).Broadcast, loop))
	explore.MustFail(t, o, queue(2, func(*atom.Cond) {}, loop))
	explore.MustFail(t, o, queue(2, (*atom.Cond).Broadcast, once))
	// Signalling before the change is the lost wake-up.
	explore.MustFail(t, o, func(x *explore.X) {
		var m atom.Mutex
		c := atom.NewCond(&m)
		ready := false
		x.Go("waiter", func() {
			m.Lock()
			for !ready {
				c.Wait()
			}
			m.Unlock()
		})
		x.Go("waker", func() {
			c.Signal()
			m.Lock()
			ready = true
			m.Unlock()
		})
	})
}

func TestGoInExecutions(t *testing.T) {
	explore.Test(t, explore.Options{}, func(x *explore.X) {
		work, done := atom.NewToken(), atom.NewToken()
		var n atom.Int32
		atom.Go("worker", func() {
			for {
				work.Wait()
				n.Add(1)
				done.Signal()
			}
		})
		x.Go("user", func() {
			for range 2 {
				work.Signal()
				done.Wait()
			}
			atom.Go("late", func() { n.Add(1) })
		})
		x.Check(func() {
			if n.Load() != 3 {
				x.Failf("%d", n.Load())
			}
		})
	})
}

// A trace shows values in the way of their type, and the user's lines.
func TestTrace(t *testing.T) {
	var b atom.Bool
	var i atom.Int32
	var u atom.Uint64
	var p atom.Pointer[atom.Bool]
	var m atom.Mutex
	f := explore.Run(explore.Options{}, func(x *explore.X) {
		x.Label(unsafe.Pointer(&b), "flag")
		b.Store(false)
		i.Store(0)
		u.Store(0)
		p.Store(nil)
		x.Go("a", func() {
			b.Store(true)
			i.Add(-1)
			u.Or(1 << 40)
			p.CompareAndSwap(nil, &b)
			p.CompareAndSwap(nil, &b)
			m.Lock()
			b.Load()
			m.Unlock()
			x.Failf("enough")
		})
	}).Failure
	if f == nil {
		t.Fatal("no failure")
	}
	for _, want := range []string{"flag", "false -> true", "0 -> -1", "0 -> 0x10000000000", "nil -> &flag", "&flag, failed", "lock", "unlock", "atom/explore_test.go:"} {
		if !strings.Contains(f.Trace, want) {
			t.Errorf("no %q in\n%s", want, f.Trace)
		}
	}
	if strings.Contains(f.Trace, "atom/explore.go") || strings.Contains(f.Trace, "atom/explore_s") {
		t.Errorf("the trace shows the inside of package atom:\n%s", f.Trace)
	}
}
