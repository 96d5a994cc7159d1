package bench

import (
	"bytes"
	"context"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/engine"
)

// labelsNow are the labels of all goroutines, as "evd name phase", that have the label
// test=name.
func labelsNow(t *testing.T, name string) map[string]bool {
	t.Helper()
	var b bytes.Buffer
	assert.NoError(t, pprof.Lookup("goroutine").WriteTo(&b, 0))
	p, err := profile.Parse(&b)
	if !assert.NoError(t, err) {
		return nil
	}
	found := map[string]bool{}
	for _, s := range p.Sample {
		if one(s.Label["test"]) == name {
			found[one(s.Label["evd"])+" "+one(s.Label["name"])+" "+one(s.Label["phase"])] = true
		}
	}
	return found
}

func one(l []string) string {
	if len(l) == 0 {
		return ""
	}
	return l[0]
}

// A run has labels on every goroutine that does something in it, and those of whoever
// called Run.
func TestTags(t *testing.T) {
	for _, x := range []struct {
		name string
		cfg  Config
		want []string
	}{
		{"poller", Config{Mode: "event", Dispatch: "inline"}, []string{"poller bench measure", "device  "}},
		{"worker", Config{Mode: "event", Dispatch: "queued"}, []string{"worker engine measure", "device  "}},
		{"poster", Config{Mode: "event", OneWay: true}, []string{"producer poster measure", "worker engine measure"}},
		{"throughput", Config{Workload: BW, Mode: "event", Posters: 2, Flip: 3, Dispatch: "queued"}, []string{
			"producer poster 0 measure", "producer poster 1 measure", "worker flipper measure", "worker engine measure", "device  ",
		}},
		{"generator", Config{Mode: "event", Rate: 1000, Service: "const:1us"}, []string{"producer generator measure", "poller bench measure", "device  "}},
		{"wake", Config{Workload: WakeUp, Mode: "event"}, []string{"producer device measure", "poller bench measure"}},
		{"warm-up", Config{Mode: "event", OneWay: true, Warmup: Span{Time: time.Hour}}, []string{"producer poster warm-up", "worker engine warm-up"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(pprof.WithLabels(t.Context(), pprof.Labels("test", x.name)))
			defer cancel()
			x.cfg.Duration = time.Hour
			if x.cfg.Warmup.zero() {
				x.cfg.Warmup = Span{Time: time.Millisecond}
			}
			ended := make(chan error)
			go func() {
				_, err := run(ctx, x.cfg.WithDefaults(), workloadFor(x.cfg.WithDefaults()), testClock(), Watch{})
				ended <- err
			}()
			found := map[string]bool{}
			assert.Eventually(t, func() bool {
				for l := range labelsNow(t, x.name) {
					found[l] = true
				}
				for _, w := range x.want {
					if !found[w] {
						return false
					}
				}
				return true
			}, 20*time.Second, time.Millisecond)
			cancel()
			require.NoError(t, <-ended)
			for _, w := range x.want {
				assert.Contains(t, found, w)
			}
		})
	}
}

// Goroutines are labelled once a phase, not once a batch; and only so many of them.
func TestUpcallTags(t *testing.T) {
	word := &phaseWord{}
	tags := upcallTags{ctx: t.Context(), phase: word, name: "x"}
	a, b := make([]engine.Event, 2), make([]engine.Event, 2)
	tags.see(a)
	tags.see(b)
	tags.see(a)
	tags.see(nil)
	assert.Equal(t, 2, tags.n)
	assert.Zero(t, testing.AllocsPerRun(100, func() { tags.see(a); tags.see(b) }))
	word.advance(measuring)
	tags.see(a)
	assert.Equal(t, 1, tags.n)
	for range 100 {
		tags.see(make([]engine.Event, 1))
	}
	assert.Equal(t, len(tags.seen), tags.n)
	role, _ := engineRole("x")
	assert.Empty(t, role, "the test's goroutine is not the engine's")

	var off *tag
	off.see(stopping)
	(&upcallTags{}).see(a)
}
