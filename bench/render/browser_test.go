//go:build browser

package render

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench/result"
	"github.com/evdengine/evd/bench/result/resulttest"
)

var screens = flag.String("screens", "", "folder for pictures of the pages")

// site serves pages, and remembers what was asked for.
type site struct {
	*httptest.Server
	pages map[string]string
	mu    sync.Mutex
	asked []string
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.URL.Path)
	s.mu.Unlock()
	page, ok := s.pages[r.URL.Path]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = w.Write([]byte(page))
}

// browser runs Chromium without a window; the answer is what it wrote to standard
// output, and what the pages said to the console.
func browser(t *testing.T, args ...string) (stdout string, console []string) {
	t.Helper()
	var name string
	for _, n := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(n); err == nil {
			name = p
			break
		}
	}
	require.NotEmpty(t, name, "Chromium is missing: make html-test installs it")
	all := []string{"--headless", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr", "--user-data-dir=" + t.TempDir()}
	if os.Getuid() == 0 {
		all = append(all, "--no-sandbox") // root has none
	}
	cmd := exec.CommandContext(t.Context(), name, append(all, args...)...)
	cmd.WaitDelay = 10 * time.Second
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	require.NoError(t, cmd.Run(), "%s", &err)
	for line := range strings.Lines(err.String()) {
		if strings.Contains(line, ":CONSOLE:") {
			console = append(console, strings.TrimSpace(line))
		}
	}
	return out.String(), console
}

const (
	light = "--blink-settings=preferredColorScheme=1"
	dark  = "--blink-settings=preferredColorScheme=0"
)

// What a reader sees of the pages, in windows of several widths, by day and by
// night: nothing overflows, overlaps, is cut off or too pale, every chart has its
// curves and says its values, the console is silent, and nothing is asked for from
// elsewhere.
func TestBrowser(t *testing.T) {
	widths := []int{390, 700, 900, 1280}
	probe, err := os.ReadFile(filepath.Join("testdata", "probe.js"))
	require.NoError(t, err)
	for name, x := range map[string]struct {
		files  []*result.File
		charts int
	}{
		"lat":     {[]*result.File{resulttest.Lat()}, 4},
		"invalid": {[]*result.File{resulttest.Invalid()}, 4},
		"bw":      {[]*result.File{resulttest.BW()}, 1},
		"sweep":   {[]*result.File{resulttest.Sweep()}, 2},
		"two":     {two(), 3 + 2*4},
	} {
		for scheme, setting := range map[string]string{"light": light, "dark": dark} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				s := &site{pages: map[string]string{
					"/page":    string(written(t, "html", x.files...)),
					"/harness": harness(widths, string(probe)),
				}}
				s.Server = httptest.NewServer(s)
				defer s.Close()
				dom, console := browser(t, setting, "--window-size=1400,1000", "--virtual-time-budget=20000", "--dump-dom", s.URL+"/harness")
				assert.Empty(t, console)
				m := regexp.MustCompile(`(?s)<pre id="out">(.*?)</pre>`).FindStringSubmatch(dom)
				require.NotNil(t, m, dom[:min(len(dom), 2000)])
				var found []struct {
					Width    int
					Problems []string
					Charts   int
					Tips     int
				}
				require.NoError(t, json.Unmarshal([]byte(html.UnescapeString(m[1])), &found), m[1])
				require.Len(t, found, len(widths))
				for i, f := range found {
					assert.Equal(t, widths[i], f.Width)
					assert.Empty(t, f.Problems, "at %d px", f.Width)
					assert.Equal(t, x.charts, f.Charts, "at %d px", f.Width)
					assert.GreaterOrEqual(t, f.Tips, 2*x.charts, "at %d px", f.Width)
				}
				s.asked = slices.DeleteFunc(s.asked, func(p string) bool { return p == "/favicon.ico" })
				slices.Sort(s.asked)
				assert.Equal(t, []string{"/harness", "/page", "/page", "/page", "/page"}, s.asked)
			})
		}
	}
}

// harness is a page with a window of each width, which says what the probe found.
func harness(widths []int, probe string) string {
	var b strings.Builder
	b.WriteString("<!doctype html><link rel=icon href=data:,><body>")
	for _, w := range widths {
		fmt.Fprintf(&b, `<iframe src="/page" style="width:%dpx;height:900px;border:0"></iframe>`, w)
	}
	fmt.Fprintf(&b, `<pre id="out"></pre><script>%s
addEventListener('load', async () => {
  const found = [];
  for (const f of document.querySelectorAll('iframe')) {
    try { found.push(await probe(f)); } catch (e) { found.push({ problems: [String(e.stack)] }); }
  }
  document.getElementById('out').textContent = JSON.stringify(found);
});</script>`, probe)
	return b.String()
}

// The probe finds what is wrong: each fault is one that it must name.
func TestProbeFinds(t *testing.T) {
	probe, err := os.ReadFile(filepath.Join("testdata", "probe.js"))
	require.NoError(t, err)
	good := string(written(t, "html", resulttest.Lat()))
	for name, x := range map[string]struct{ old, new, want string }{
		"overflow":  {"</main>", `<p style="width:3000px">x</p></main>`, "3008 px wide in a window of 390"},
		"pale":      {"--soft: #5a6475", "--soft: #d0d4da", "a contrast of"},
		"no curve":  {`class="line"`, `class="none"`, "no curve"},
		"small":     {"svg.small { display: block;", "svg.small { display: block; width: 90px;", "90 x "},
		"unseen":    {"svg.small { display: block;", "svg.small {", "0 charts are seen"},
		"cut off":   {`dx="-6"`, `dx="-60"`, "is cut off"},
		"over":      {`class="x" x="`, `class="x" x="1`, "lie over one another"},
		"no script": {"tip.hidden = tip.childElementCount === 0", "tip.hidden = false; tip.replaceChildren()", "the tip is empty"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, good, x.old)
			s := &site{pages: map[string]string{"/page": strings.ReplaceAll(good, x.old, x.new), "/harness": harness([]int{390}, string(probe))}}
			s.Server = httptest.NewServer(s)
			defer s.Close()
			dom, _ := browser(t, light, "--virtual-time-budget=20000", "--dump-dom", s.URL+"/harness")
			assert.Contains(t, html.UnescapeString(dom), x.want)
		})
	}
}

// The page opened as a file, as it will be: it says nothing to the console, and is
// not blank.
func TestScreens(t *testing.T) {
	dir := *screens
	if dir == "" {
		dir = t.TempDir()
	}
	require.NoError(t, os.MkdirAll(dir, 0o755))
	dir, err := filepath.Abs(dir)
	require.NoError(t, err)
	for name, files := range map[string][]*result.File{
		"lat": {resulttest.Lat()}, "invalid": {resulttest.Invalid()}, "bw": {resulttest.BW()}, "sweep": {resulttest.Sweep()}, "two": two(),
	} {
		page := filepath.Join(dir, name+".html")
		require.NoError(t, os.WriteFile(page, written(t, "html", files...), 0o644))
		for scheme, setting := range map[string]string{"light": light, "dark": dark} {
			shot := filepath.Join(dir, name+"-"+scheme+".png")
			_, console := browser(t, setting, "--window-size=1280,2400", "--screenshot="+shot, "file://"+page)
			assert.Empty(t, console)
			f, err := os.Open(shot)
			require.NoError(t, err)
			img, err := png.Decode(f)
			f.Close()
			require.NoError(t, err)
			colours := map[any]bool{}
			for x := 0; x < img.Bounds().Dx(); x += 2 {
				for y := 0; y < img.Bounds().Dy(); y += 2 {
					colours[img.At(x, y)] = true
				}
			}
			assert.Greater(t, len(colours), 50, "%s: letters and curves", shot)
		}
	}
}
