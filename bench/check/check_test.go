package check

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/hwcq/cqtest"
)

func TestWords(t *testing.T) {
	for _, name := range cqtest.Properties() {
		assert.NotEmpty(t, words[name], "no words for %q", name)
	}
	assert.Len(t, words, len(cqtest.Properties()))
	seen := map[string]bool{}
	for _, s := range scenarios(Config{CQ: Mock}) {
		assert.False(t, seen[s.name], s.name)
		seen[s.name] = true
		assert.NotEmpty(t, s.promise)
	}
}

// What is good holds, on every CQ that there is.
func TestGood(t *testing.T) {
	for _, cq := range []string{Mock, Timer, EventFD, URing} {
		t.Run(cq, func(t *testing.T) {
			told := 0
			r, err := Run(t.Context(), Config{CQ: cq, Duration: 50 * time.Millisecond, Short: true, Patience: 2 * time.Minute}, func(Result) { told++ })
			if unavailable(err) {
				t.Logf("not here: %v", err)
				return
			}
			require.NoError(t, err)
			for _, x := range r.Results {
				assert.NotEqual(t, Broken, x.Verdict, "%s: %s", x.Name, x.Details)
				assert.NotEmpty(t, x.Promise, x.Name)
			}
			assert.True(t, r.OK())
			assert.Equal(t, told, len(r.Results))
			assert.Equal(t, cq, r.CQ)
			assert.NotEmpty(t, r.Capabilities.Driver)
			assert.Positive(t, result(t, r, "engine/hunt").Rounds)
			assert.Equal(t, cq == Mock, strings.Contains(r.Results[len(r.Results)-1].Name, "fault/"))
		})
	}
}

func unavailable(err error) bool {
	return errors.Is(err, hwcq.ErrUnavailable) || errors.Is(err, hwcq.ErrNotSupported)
}

func result(t *testing.T, r *Report, name string) Result {
	t.Helper()
	for _, x := range r.Results {
		if x.Name == name {
			return x
		}
	}
	t.Fatalf("no result %q", name)
	return Result{}
}

// A CQ that is wrong somehow, and what finds it.
type wrong struct {
	hwcq.CQ
	poll func(dst []hwcq.WC) int
	arm  func(bool) (bool, error)
}

func (w *wrong) Poll(dst []hwcq.WC) int           { return w.poll(dst) }
func (w *wrong) Arm(solicited bool) (bool, error) { return w.arm(solicited) }

func spoiled(f func(w *wrong)) func(*cqtest.Bed) {
	return func(b *cqtest.Bed) {
		w := &wrong{CQ: b.CQ, poll: b.CQ.Poll, arm: b.CQ.Arm}
		f(w)
		b.CQ = w
	}
}

func TestBroken(t *testing.T) {
	for name, x := range map[string]struct {
		spoil func(w *wrong)
		finds []string
	}{
		"arms nothing": {func(w *wrong) {
			w.arm = func(bool) (bool, error) { return false, nil }
		}, []string{"engine/hunt", "engine/single", "engine/drain", "engine/waiter"}},
		"loses one": {func(w *wrong) {
			polled := 0
			w.poll = func(dst []hwcq.WC) int {
				n := w.CQ.Poll(dst)
				if n > 0 {
					if polled++; polled%2 == 0 {
						n--
					}
				}
				return n
			}
		}, []string{"engine/hunt", "engine/notify", "engine/close", "engine/waiter", "engine/many"}},
		"twice": {func(w *wrong) {
			var last hwcq.WC
			w.poll = func(dst []hwcq.WC) int {
				n := w.CQ.Poll(dst)
				if n > 0 && n < len(dst) && dst[n-1].WRID%8 == 3 && last != dst[n-1] {
					last = dst[n-1]
					dst[n] = last
					n++
				}
				return n
			}
		}, []string{"stress", "engine/single", "engine/hunt"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Duration: 10 * time.Millisecond, Short: true, Patience: 100 * time.Millisecond, spoil: spoiled(x.spoil), engineOnly: name != "twice"}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			left := slices.Clone(x.finds) // the rest would find as much, and take its time
			r, err := Run(ctx, cfg, func(r Result) {
				if left = slices.DeleteFunc(left, func(name string) bool { return name == r.Name }); len(left) == 0 {
					cancel()
				}
			})
			require.NoError(t, err)
			assert.Positive(t, r.Broken())
			for _, name := range x.finds {
				f := result(t, r, name)
				assert.Equal(t, Broken, f.Verdict, name)
				assert.NotEmpty(t, f.Details, name)
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r, err := Run(ctx, Config{Short: true, Duration: time.Hour, Patience: 2 * time.Minute, engineOnly: true}, func(x Result) {
		if x.Name == "engine/close" { // the hunt is next
			time.AfterFunc(10*time.Millisecond, cancel)
		}
	})
	require.NoError(t, err)
	assert.True(t, r.Interrupted)
	assert.False(t, r.OK())
	assert.Zero(t, r.Broken())
	assert.Equal(t, "engine/close", r.Results[len(r.Results)-1].Name)
}

func TestParameters(t *testing.T) {
	for want, c := range map[string]Config{
		`cq = "x"`: {CQ: "x"}, "dev": {Dev: "rxe0"}, "duration": {Duration: time.Millisecond}, "patience": {Patience: time.Hour},
	} {
		_, err := Run(t.Context(), c, nil)
		require.ErrorIs(t, err, engine.ErrInvalid)
		assert.ErrorContains(t, err, want)
	}
}
