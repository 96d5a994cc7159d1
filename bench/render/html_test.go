package render

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/result/resulttest"
)

var (
	tagRE       = regexp.MustCompile(`<[a-zA-Z!/][^>]*>`)
	attributeRE = regexp.MustCompile(`(?i)\s(src|href|srcset|action|poster|background|data|xlink:href)\s*=\s*["']?[^#"']`)
	asksRE      = regexp.MustCompile(`(?i)url\(|@import|<(link|img|iframe|object|embed|base|video|audio)\b`)
)

// elsewhere finds what makes a browser ask for something: tags, attributes and style
// rules that take an address.
func elsewhere(page string) string {
	for _, tag := range tagRE.FindAllString(page, -1) {
		if attributeRE.MatchString(tag) {
			return tag
		}
	}
	return asksRE.FindString(page)
}

func TestElsewhere(t *testing.T) {
	for s, want := range map[string]bool{
		`<img src="x">`: true, `<a href="http://x">`: true, `<a href="#x">`: false, `<script src=x>`: true, `a{b:url(x)}`: true,
		`<link rel=x>`: true, `<p data-area="1">`: false, `&lt;img src=x`: false,
	} {
		assert.Equal(t, want, elsewhere(s) != "", s)
	}
}

// The page needs nothing else, and what a user named stays text.
func TestHTMLAlone(t *testing.T) {
	for name, files := range map[string][]*result.File{
		"lat": {resulttest.Lat()}, "bw": {resulttest.BW()}, "sweep": {resulttest.Sweep()}, "two": two(), "invalid": {resulttest.Invalid()}, "none": nil,
	} {
		t.Run(name, func(t *testing.T) {
			page := string(written(t, "html", files...))
			assert.Empty(t, elsewhere(page))
			assert.NotContains(t, page, "<script>alert")
			assert.Contains(t, page, `content="default-src 'none'`)
			assert.NotContains(t, page, "ZgotmplZ", "a value that the template did not take")
			assert.NotContains(t, page, "NaN")
			assert.NotContains(t, page, "%!")
		})
	}
}

func TestHTMLSays(t *testing.T) {
	page := string(written(t, "html", resulttest.Lat()))
	for _, s := range []string{
		"The measurement is valid: no event was lost, doubled or out of order.",
		"This measured latency under a load of 5k requests a second, over a simulated device (mock), 3 times.",
		"Counted from when a request was due, it took 1.81 µs in the median, at most 4.31 µs for 99 of 100",
		`<span class="badge ok">valid</span>`,
		"Latency by percentile", "How many took how long", "Latency, interval by interval", "Repetition by repetition", "Where the time goes",
		"A CPU of some kind", "6.12.38", "go1.26.0", "<td>clock.source</td><td>tsc</td>", "<td>spin</td><td>20µs</td>", // environment, configuration
		"<td>Spurious</td><td>77</td>", "<td>attempted</td><td>50 100</td>", // counters, conservation
		"<td>99.99 %</td>", "<td>tag host</td><td>lab-3</td>",
		"repetition 2: two readings of the clock",
	} {
		assert.Contains(t, strings.ReplaceAll(page, "&#43;", "+"), s)
	}
	bad := string(written(t, "html", resulttest.Invalid()))
	assert.Contains(t, bad, "Do not use these figures: 1 of 2 repetitions is not valid (work requests: missing 1, duplicates 0, reordered 0).")
	assert.Contains(t, bad, `<span class="badge bad">not valid</span>`)
	assert.NotContains(t, bad, "The measurement is valid")
	both := string(written(t, "html", two()...))
	assert.Contains(t, both, "<h1>2 results of evdbench</h1>")
	assert.Contains(t, both, `<a href="#result-2">b.json</a>`)
	assert.Contains(t, both, "<td>service p50</td><td>1.79 µs</td><td>2.68 µs</td>")
	assert.Contains(t, string(written(t, "html", resulttest.Sweep())), "This measured 6 combinations of mode and outstanding.")
}

// Each part of the page that a link or a script looks for is there once.
func TestHTMLNames(t *testing.T) {
	page := string(written(t, "html", two()...))
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		require.False(t, ids[m[1]], "%s twice", m[1])
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		assert.True(t, ids[m[1]], "nothing is called %s", m[1])
	}
}

func TestVerdicts(t *testing.T) {
	cut := resulttest.BW()
	cut.Reps[0].Interrupted = true
	for _, x := range []struct {
		f    *result.File
		want string
	}{
		{resulttest.BW(), "This measured throughput with many requests in flight, over a simulated device (mock), once. The measurement is valid: " +
			"no event was lost, doubled or out of order. It did 12M operations a second. The process used 187 % of one CPU."},
		{cut, "It was interrupted: these are the figures until then."},
		{&result.File{}, "Nothing was measured."},
	} {
		assert.Contains(t, strings.Join(verdict(x.f), " "), x.want)
	}
}

func TestNumbers(t *testing.T) {
	for f, want := range map[float64]string{0: "0", 7: "7", 999: "999", 1000: "1k", 1234: "1.23k", 99_960: "100k", 12e6: "12M", 1.5e9: "1.5G", 0.25: "0.25"} {
		assert.Equal(t, want, count(f), "%v", f)
	}
	for ns, want := range map[float64]string{0: "0s", 7: "7ns", 999: "999ns", 1234: "1.23µs", 34_199_797: "34.2ms", 2e9: "2s"} {
		assert.Equal(t, want, nanos(ns), "%v", ns)
	}
	for n, want := range map[int64]string{0: "0", 7: "7", 999: "999", 1000: "1 000", 1234567: "1 234 567", -1000: "-1 000"} {
		assert.Equal(t, want, group(n))
	}
}

// A run of many ranks has a line for each, and one whose other side was lost is not called
// valid.
func TestNodesInHTML(t *testing.T) {
	s := string(written(t, "html", resulttest.Nodes()))
	for _, want := range []string{"Nodes", "fairness", "violations", "rank 3 on b: no answer", "peer lost"} {
		assert.Contains(t, strings.ToLower(s), strings.ToLower(want))
	}
	assert.NotContains(t, s, "The measurement is valid")
}
