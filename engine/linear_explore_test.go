//go:build explore

package engine

import (
	"encoding/binary"
	"strings"
	"testing"
	"unsafe"

	"github.com/anishathalye/porcupine"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/mock"
	"github.com/evdengine/evd/internal/atom"
	"github.com/evdengine/evd/internal/explore"
)

// linScen is a program over an EVD whose history is judged in every
// interleaving. Histories need no clock but a counter: threads run one at a
// time, and without a break between two atomic operations.
type linScen struct {
	name string
	cq   bool
	cfg  EVDConfig
	run  func(x *explore.X, h *history)
}

// body runs a scenario. judged remembers histories: different interleavings
// often have the same.
func (sc linScen) body(wrong func(looked) target, judged map[string]bool) func(x *explore.X) {
	return func(x *explore.X) {
		must := func(err error) {
			if err != nil {
				x.Failf("%v", err)
			}
		}
		e, err := newEngine(Config{Workers: 1}, func(role, _ string, fn func()) { x.Daemon(role, fn) })
		must(err)
		var beat atom.Uint32 // where others may run between two operations
		h := &history{between: func() { beat.Load() }, note: explore.Note}
		cfg := sc.cfg
		cfg.Streams, cfg.Capacity, cfg.Batch = Software, 2, 2
		cfg.Upcall, cfg.Leftovers = h.upcall, h.leftovers
		if sc.cq {
			h.cq, err = mock.New(mock.Config{Depth: 4})
			must(err)
			cfg.Streams, cfg.CQs, cfg.Mode = DTO|Software, []hwcq.CQ{h.cq}, ModeEvent
			h.between = func() {} // large enough without
		}
		d, err := e.NewEVD(cfg)
		must(err)
		x.Label(unsafe.Pointer(&d.word), "word")
		h.d = looked{d}
		if wrong != nil {
			h.d = wrong(looked{d})
		}
		sc.run(x, h)
		model := histModel(2, 2, cfg.Policy != Disable)
		x.Check(func() {
			h.end()
			ops := h.sealed()
			key := histKey(ops)
			right, known := judged[key]
			if !known {
				right = porcupine.CheckOperations(model, ops)
				judged[key] = right
			}
			if !right {
				x.Failf("not linearizable:%s", describe(ops))
			}
		})
	}
}

// histKey is a history as a map key.
func histKey(ops []porcupine.Operation) string {
	b := make([]byte, 0, 12*len(ops))
	for _, o := range ops {
		s := o.Input.(histStep)
		b = binary.AppendVarint(b, o.Call)
		b = binary.AppendVarint(b, o.Return)
		b = append(b, byte(o.ClientId), byte(s.op), s.ans, byte(len(s.vals))) // beside follows from the times
		b = append(b, s.vals...)
	}
	return string(b)
}

var linScens = []linScen{
	{"post, dequeue", false, EVDConfig{}, func(x *explore.X, h *history) {
		x.Go("a", func() { h.post(0, 1); h.post(0, 2) })
		x.Go("b", func() { h.post(1, 3) })
		x.Go("consumer", func() { h.dequeue(2, 2); h.query(2); h.dequeue(2, 1) })
	}},
	{"two consumers", false, EVDConfig{}, func(x *explore.X, h *history) {
		x.Go("a", func() { h.post(0, 1); h.post(0, 2) })
		x.Go("b", func() { h.dequeue(1, 1); h.dequeue(1, 1) })
		x.Go("c", func() { h.dequeue(2, 2); h.query(2) })
	}},
	{"enable", false, EVDConfig{Dispatch: DispatchQueued}, func(x *explore.X, h *history) {
		x.Go("a", func() { h.post(0, 1); h.post(0, 2) })
		x.Go("consumer", func() { h.enable(1); h.dequeue(1, 1); h.enable(1) })
	}},
	{"disable outside", false, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued}, func(x *explore.X, h *history) {
		x.Go("a", func() { h.post(0, 1); h.post(0, 2) })
		x.Go("consumer", func() { h.disable(1); h.query(1); h.dequeue(1, 1) })
	}},
	{"disable inside", false, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}, func(x *explore.X, h *history) {
		h.inside = func(u *Upcall) { h.disableInside(upcallClient, u) }
		x.Go("a", func() { h.post(0, 1); h.post(0, 2) })
		x.Go("b", func() { h.post(1, 3) })
		x.Go("consumer", func() { h.dequeue(2, 1); h.enable(2) })
	}},
	{"hand-off", false, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}, func(x *explore.X, h *history) {
		x.Go("a", func() { h.post(0, 1); h.post(0, 2) })
		x.Go("b", func() { h.post(1, 3); h.query(1) })
		x.Go("consumer", func() { h.disable(2); h.dequeue(2, 2) })
	}},
	{"many at once", false, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}, func(x *explore.X, h *history) {
		x.Go("a", func() { h.postN(0, 1, 2) })
		x.Go("consumer", func() { h.dequeue(2, 1); h.disable(2); h.dequeue(2, 2) })
	}},
	{"close", false, EVDConfig{}, func(x *explore.X, h *history) {
		x.Go("a", func() { h.post(0, 1); h.post(0, 2) })
		x.Go("consumer", func() { h.dequeue(1, 1); h.query(1); h.enable(1) })
		x.Go("closer", func() { h.close(2) })
	}},
	{"close beside upcalls", false, EVDConfig{Policy: SingleInstance, Dispatch: DispatchQueued}, func(x *explore.X, h *history) {
		x.Go("a", func() { h.post(0, 1); h.post(0, 2) })
		x.Go("closer", func() { h.close(1) })
	}},
	{"CQ, enable", true, EVDConfig{}, func(x *explore.X, h *history) {
		x.Go("hardware", func() { h.complete(0, histCQ) })
		x.Go("consumer", func() { h.enable(1); h.query(1) })
	}},
	{"CQ, dequeue", true, EVDConfig{}, func(x *explore.X, h *history) {
		x.Go("hardware", func() { h.complete(0, histCQ); h.complete(0, histCQ+1) })
		x.Go("consumer", func() { h.dequeue(1, 1); h.dequeue(1, 2) })
	}},
	{"CQ and posts", true, EVDConfig{Policy: SingleInstance, Dispatch: DispatchInline}, func(x *explore.X, h *history) {
		x.Go("hardware", func() { h.complete(0, histCQ) })
		x.Go("a", func() { h.post(1, 1) })
	}},
}

// In every interleaving up to the bound the history of an EVD is that of a
// sequential one.
func TestExploreLinear(t *testing.T) {
	for _, s := range linScens {
		t.Run(s.name, func(t *testing.T) {
			judged := map[string]bool{}
			explore.Test(t, explore.Options{Merge: true}, s.body(nil, judged))
			t.Logf("%d different histories", len(judged))
		})
	}
}

func TestExploreLinearFindsWrong(t *testing.T) {
	for _, w := range []struct {
		name, in string
		wrong    func(looked) target
	}{
		{"an event lost", "post, dequeue", func(d looked) target { return &losesPost{target: d} }},
		{"an event twice", "two consumers", func(d looked) target { return &dequeuesTwice{target: d} }},
		{"busy is empty", "post, dequeue", func(d looked) target { return busyIsEmpty{d} }},
		{"enabled blindly", "enable", func(d looked) target { return enablesBlindly{d, d.EVD} }},
		{"not disabled", "disable outside", func(d looked) target { return neverDisables{d} }},
		{"not closed to posters", "close", func(d looked) target { return postsWhenClosed{d} }},
	} {
		t.Run(w.name, func(t *testing.T) {
			for _, s := range linScens {
				if s.name != w.in {
					continue
				}
				res := explore.MustFail(t, explore.Options{Merge: true}, s.body(w.wrong, map[string]bool{}))
				if !strings.Contains(res.Failure.Reason, "not linearizable") {
					t.Fatal(res.Failure)
				}
				return
			}
			t.Fatalf("no scenario %s", w.in)
		})
	}
}
