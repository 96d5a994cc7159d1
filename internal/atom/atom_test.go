package atom_test

import (
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/evdengine/evd/internal/atom"
)

// These tests run with and without the tag explore: when nothing is being
// explored, both builds behave alike.

// number are the methods of the number types.
type number[T any] interface {
	Load() T
	Store(T)
	Swap(T) T
	CompareAndSwap(old, v T) bool
	Add(T) T
	And(T) T
	Or(T) T
}

// integers are the types of numbers.
type integers interface {
	int32 | int64 | uint32 | uint64
}

// testNumber calls all methods; the values do not fit into half the width.
func testNumber[T integers](t *testing.T, n number[T], bits int) {
	t.Helper()
	top := T(1) << (bits - 1) // the sign, if there is one
	step := func(what string, got, want T) {
		t.Helper()
		if got != want {
			t.Errorf("%T: %s: %d, want %d", n, what, got, want)
		}
	}
	step("zero value", n.Load(), 0)
	n.Store(top | 5)
	step("Load after Store", n.Load(), top|5)
	step("Swap", n.Swap(7), top|5)
	step("Load after Swap", n.Load(), 7)
	if n.CompareAndSwap(6, 8) || !n.CompareAndSwap(7, 8) {
		t.Errorf("%T: CompareAndSwap", n)
	}
	step("Load after CompareAndSwap", n.Load(), 8)
	step("Add", n.Add(4), 12)
	step("Add down", n.Add(^T(0)), 11)
	step("And", n.And(6), 11)
	step("Load after And", n.Load(), 2)
	step("Or", n.Or(top|1), 2)
	step("Load after Or", n.Load(), top|3)
}

func testNumbers(t *testing.T) {
	t.Helper()
	testNumber(t, number[int32](new(atom.Int32)), 32)
	testNumber(t, number[int64](new(atom.Int64)), 64)
	testNumber(t, number[uint32](new(atom.Uint32)), 32)
	testNumber(t, number[uint64](new(atom.Uint64)), 64)
}

func testOthers(t *testing.T) {
	t.Helper()
	var b atom.Bool
	if b.Load() || b.Swap(true) || !b.Load() || b.CompareAndSwap(false, true) || !b.CompareAndSwap(true, false) || b.Load() {
		t.Error("Bool")
	}
	if b.Store(true); !b.Load() {
		t.Error("Bool: Load after Store")
	}
	var p atom.Pointer[int]
	x, y := new(int), new(int)
	if p.Load() != nil || p.Swap(x) != nil || p.Load() != x || p.CompareAndSwap(y, x) || !p.CompareAndSwap(x, y) || p.Load() != y {
		t.Error("Pointer")
	}
	if p.Store(x); p.Load() != x {
		t.Error("Pointer: Load after Store")
	}
}

func TestValues(t *testing.T) {
	testNumbers(t)
	testOthers(t)
	var n int
	atom.PlainWrite(unsafe.Pointer(&n))
	atom.PlainRead(unsafe.Pointer(&n))
	atom.Spin()
}

func TestCounters(t *testing.T) {
	const goroutines, turns = 4, 2000
	var n atom.Uint64
	var m atom.Mutex
	var b atom.Int32
	sum := 0
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for range turns {
				n.Add(1)
				for {
					if v := b.Load(); b.CompareAndSwap(v, v+1) {
						break
					}
					atom.Spin()
				}
				m.Lock()
				sum++
				m.Unlock()
			}
		})
	}
	wg.Wait()
	if n.Load() != goroutines*turns || b.Load() != goroutines*turns || sum != goroutines*turns {
		t.Fatal(n.Load(), b.Load(), sum)
	}
	m.Lock()
	if m.TryLock() {
		t.Fatal("TryLock of a locked mutex")
	}
	m.Unlock()
	if !m.TryLock() {
		t.Fatal("TryLock of a free mutex")
	}
}

func TestToken(t *testing.T) {
	tok := atom.NewToken()
	if tok.TryWait() || tok.WaitTimeout(time.Microsecond) {
		t.Fatal("a new token is full")
	}
	tok.Signal()
	tok.Signal()
	tok.Wait()
	if tok.TryWait() {
		t.Fatal("two Signals count twice")
	}
	tok.Signal()
	if !tok.TryWait() {
		t.Fatal("TryWait does not find the token")
	}
	tok.Signal()
	if !tok.WaitTimeout(0) {
		t.Fatal("WaitTimeout does not find the token")
	}
	tok.Signal()
	<-tok.C()

	// Back and forth between two goroutines.
	other := atom.NewToken()
	turns := 0
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 500 {
			tok.Wait()
			turns++
			other.Signal()
		}
	})
	for i := range 500 {
		tok.Signal()
		if i%2 == 0 {
			other.Wait()
		} else if !other.WaitTimeout(time.Minute) {
			t.Error("timed out")
		}
		if turns != i+1 {
			t.Fatalf("%d turns after %d", turns, i+1)
		}
	}
	wg.Wait()
}

func TestCond(t *testing.T) {
	var m atom.Mutex
	c := atom.NewCond(&m)
	queue, taken := 0, 0
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			m.Lock()
			defer m.Unlock()
			for {
				for queue == 0 {
					c.Wait()
				}
				if queue < 0 {
					return
				}
				queue--
				taken++
			}
		})
	}
	for range 100 {
		m.Lock()
		queue++
		m.Unlock()
		c.Signal()
	}
	for done := false; !done; atom.Spin() {
		m.Lock()
		done = taken == 100
		m.Unlock()
	}
	m.Lock()
	queue = -1
	m.Unlock()
	c.Broadcast()
	wg.Wait()
}

func TestGo(t *testing.T) {
	done := make(chan int)
	atom.Go("adder", func() { done <- 1 })
	<-done
}
