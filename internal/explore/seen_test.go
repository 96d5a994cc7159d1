package explore_test

import (
	"testing"

	"github.com/evdengine/evd/internal/explore"
)

// Two threads that work on different counters: in k*k of the states that they come
// to both can run, so that there is a second way to go on. It leads to a state that
// the search has been in. Without merging these are the interleavings.
func TestMergeCounts(t *testing.T) {
	for k := 1; k <= 6; k++ {
		body := func(x *explore.X) {
			for _, name := range []string{"a", "b"} {
				n := new(word)
				x.Go(name, func() {
					for range k {
						n.add(1)
					}
				})
			}
		}
		o := explore.Options{Preemptions: explore.Unbounded}
		full := explore.Run(o, body)
		o.Merge = true
		some := explore.Run(o, body)
		if !some.Complete || some.Executions-some.Redundant != 1 || some.Executions != 1+k*k || full.Executions < some.Executions {
			t.Errorf("%d operations each: %d executions, %d of them to the end, complete %v; %d without merging",
				k, some.Executions, some.Executions-some.Redundant, some.Complete, full.Executions)
		}
	}
}

// An order that the explorer does not see is found with a Note only: here who was
// the last to write plain memory, and what a thread has copied from it.
func TestNote(t *testing.T) {
	for _, noted := range []bool{false, true} {
		note := func() {
			if noted {
				explore.Note()
			}
		}
		got := map[[2]string]bool{}
		explore.Test(t, explore.Options{Preemptions: explore.Unbounded, Merge: true}, func(x *explore.X) {
			last, copied := "", ""
			for _, name := range []string{"a", "b"} {
				n := new(word)
				x.Go(name, func() {
					n.add(1)
					note()
					last = name
					n.add(1)
					if name == "a" {
						note()
						copied = last
					}
				})
			}
			x.Check(func() { got[[2]string{last, copied}] = true })
		})
		if all := len(got) == 3; all != noted { // a has copied b and was not before it: b is last
			t.Errorf("noted: %v: %v", noted, got)
		}
	}
}

// Waits for what plain memory says, and failures over it, need no Note.
func TestMergeSeesWaits(t *testing.T) {
	o := explore.Options{Merge: true}
	explore.Test(t, o, func(x *explore.X) {
		met := 0
		for _, name := range []string{"a", "b", "c"} {
			n := new(word)
			x.Go(name, func() {
				n.add(1)
				met++
				explore.Block(func() bool { return met == 3 })
				n.add(1)
			})
		}
	})
	explore.MustFail(t, o, func(x *explore.X) {
		inside := 0
		for _, name := range []string{"a", "b", "c"} {
			n := new(word)
			x.Go(name, func() {
				if inside++; inside == 3 {
					x.Failf("three at once")
				}
				n.add(1)
				n.add(1)
				inside--
			})
		}
	})
}

// The table forgets nothing as it grows, and more preemptions are worth another look.
func TestSeen(t *testing.T) {
	s := explore.NewSeen()
	key := func(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 }
	for i := range 5000 { // 0 among them
		if s.Visit(key(i), 1) {
			t.Fatalf("%d is known", i)
		}
	}
	for i := range 5000 {
		if !s.Visit(key(i), 1) || s.Visit(key(i), 3) || !s.Visit(key(i), 2) {
			t.Fatalf("%d is not known, or with more than it was", i)
		}
	}
}
