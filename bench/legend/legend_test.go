package legend

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTermsAreWhole(t *testing.T) {
	require.NotEmpty(t, Terms())
	topics := map[string]map[string]bool{}
	for _, x := range Terms() {
		assert.NotEmpty(t, x.Name)
		assert.NotEmpty(t, x.Means, x.Name)
		assert.NotEmpty(t, x.Topic, x.Name)
		for _, text := range []string{x.Means, x.Read} {
			assert.False(t, strings.HasSuffix(text, "."), "%s: the page ends the sentence: %q", x.Name, text)
		}
		if topics[x.Topic] == nil {
			topics[x.Topic] = map[string]bool{}
		}
		for _, name := range append([]string{x.Name}, x.Also...) {
			assert.False(t, topics[x.Topic][name], "%s is explained twice in %s", name, x.Topic)
			topics[x.Topic][name] = true
		}
		for _, other := range x.See {
			assert.NotEmpty(t, Lookup(other), "%s refers to %q", x.Name, other)
		}
	}
}

func TestLookup(t *testing.T) {
	for _, word := range []string{"p99", "P99", "percentile", "median"} {
		found := Lookup(word)
		require.Len(t, found, 1, word)
		assert.Equal(t, "percentile", found[0].Name)
	}
	assert.Empty(t, Lookup("nonsense"))
	assert.Empty(t, Lookup(""))
	assert.Contains(t, Names(), "p99.9")
}

func TestLabels(t *testing.T) {
	text := strings.Join([]string{
		"evdbench      lat  cq=mock nothing 3 of this",
		"measures      a sentence, with words 7",
		"",
		"  latency (ns)    min    p50  p99.9  samples",
		"                1 061  1 081    n/a    2 000",
		"              n/a: fewer than 10 samples lie above it",
		"",
		"engine        upcalls 48 224 (1.0 events each), posted direct 0, hand-overs 0",
		"              arms 1 (0 failed), sleeps 1",
		"warning       something 5 happened",
		"              and more of it 6",
		"cq            completions 48",
	}, "\n")
	assert.Equal(t, []string{
		"evdbench", "measures", "latency (ns)", "min", "p50", "p99.9", "samples",
		"engine", "upcalls", "posted direct", "hand-overs", "arms", "sleeps", "warning", "cq", "completions",
	}, Labels(text))
}

// Findings, what is said of queues, and promises have labels of their own.
func TestLabelsOfFindings(t *testing.T) {
	text := strings.Join([]string{
		"ok    clocksource  clocksource tsc",
		"WARN  smt          CPUs share a core (0,2 and 1,3): one slows the other",
		"                   fix: --pin poller=3,producer=2",
		"mock     available   simulated hardware in this process (lat, bw, check)",
		"rxe      unavailable soft-RoCE, in pure Go (lat, bw)",
		"                     why: no rxe device",
		"completions come oldest first: ok",
		"arming after an empty poll, and looking again, never loses a completion:",
		"    BROKEN",
		"a closed CQ leaves nothing behind: ok, 100 rounds",
	}, "\n")
	assert.Equal(t, []string{"ok", "clocksource", "WARN", "smt", "fix", "available", "unavailable", "why", "BROKEN"}, Labels(text))
}
