//go:build !race

package mock

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
)

// The race detector's instrumentation allocates, hence the build tag.
func TestNoAllocations(t *testing.T) {
	c := open(t, Config{})
	batch := wcs(0, 16)
	out := make([]hwcq.WC, 64)
	ev := c.Events()
	inline := newQP(t, c, QPConfig{Inline: true})
	qp := newQP(t, c, QPConfig{})
	parking := newQP(t, c, QPConfig{IdleSpins: NeverSpin})
	wrs := make([]WR, 16)
	var cq hwcq.CQ = c

	for name, f := range map[string]func(){
		"Poll, empty":  func() { cq.Poll(out) },
		"Pending":      func() { cq.Pending() },
		"Capabilities": func() { _ = cq.Capabilities() },
		"Events":       func() { _ = cq.Events() },
		"Complete":     func() { _, _ = c.Complete(hwcq.WC{WRID: 1}, false); cq.Poll(out) },
		"CompleteN":    func() { _, _ = c.CompleteN(batch, true); cq.Poll(out) },
		"Arm, event": func() {
			_, _ = cq.Arm(false)
			_, _ = c.Complete(hwcq.WC{}, false)
			_, _ = ev.Wait()
			_, _ = ev.TryWait()
			cq.Poll(out)
		},
		"Wake":            func() { ev.Wake(); _, _ = ev.Wait() },
		"Submit, inline":  func() { _ = inline.Submit(WR{WRID: 1}); cq.Poll(out) },
		"SubmitN, inline": func() { _, _ = inline.SubmitN(wrs); cq.Poll(out) },
		"Submit": func() {
			require.NoError(t, qp.Submit(WR{WRID: 1}))
			for cq.Poll(out) == 0 {
				runtime.Gosched()
			}
		},
		"Submit to a parked device": func() {
			require.NoError(t, parking.Submit(WR{WRID: 1}))
			for cq.Poll(out) == 0 {
				runtime.Gosched()
			}
		},
		"SubmitN": func() {
			n, _ := qp.SubmitN(wrs)
			for n > 0 {
				n -= cq.Poll(out)
				runtime.Gosched()
			}
		},
		"Stats": func() { _ = c.Stats() },
	} {
		assert.Zero(t, testing.AllocsPerRun(100, f), name)
	}
}

// A stream allocates nothing per completion.
func TestStreamDoesNotAllocate(t *testing.T) {
	c := open(t, Config{})
	start(t, c, Load{Gap: Exp(1000), Bursts: []int{1, 40}, RandomBursts: true})
	out := make([]hwcq.WC, 64)
	assert.Zero(t, testing.AllocsPerRun(100, func() {
		for n := 0; n < 100; {
			n += c.Poll(out)
			runtime.Gosched()
		}
	}))
}
