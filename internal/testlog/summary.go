package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// event is one line of `go test -json` (go doc test2json; build-* since
// go1.24).
type event struct {
	Action, Package, ImportPath, Test, Output, FailedBuild string
	Elapsed                                                float64
}

type key struct{ pkg, test string }

type summary struct {
	passed, failed, skipped, packages int
	noskip                            bool
}

func (s summary) ok() bool {
	return s.failed == 0 && s.passed > 0 && (!s.noskip || s.skipped == 0)
}

// summarize reads events from r until its end and writes the report to w.
// Lines that are no events pass through as they are, and so do output lines
// with show in them, unless it is empty.
func summarize(r io.Reader, w io.Writer, noskip bool, show string) (summary, error) {
	l := log{w: w, show: show, output: map[key][]string{}, open: map[key]bool{}, told: map[string]bool{}, tested: map[string]bool{}}
	l.noskip = noskip
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		var e event
		if strings.HasPrefix(line, "{") && json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
			l.take(e)
		} else if line != "" {
			io.WriteString(w, line)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return l.summary, err
		}
	}
	l.finish()
	return l.summary, nil
}

type log struct {
	summary
	w      io.Writer
	show   string
	output map[key][]string
	open   map[key]bool    // started, not ended
	told   map[string]bool // packages with a failed test
	tested map[string]bool // packages with a test that ended
	skips  []skipGroup
}

// skipGroup is a reason and the tests of one package that gave it.
type skipGroup struct {
	pkg, why string
	tests    []string
}

func (l *log) take(e event) {
	k := key{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		io.WriteString(l.w, e.Output)
	case "start", "run":
		l.open[k] = true
	case "output":
		l.output[k] = append(l.output[k], e.Output)
		if l.show != "" && strings.Contains(e.Output, l.show) {
			io.WriteString(l.w, e.Output)
		}
	case "pass", "fail", "skip":
		delete(l.open, k)
		if e.Test == "" {
			l.endPackage(e)
		} else {
			l.endTest(e)
		}
		delete(l.output, k)
	}
}

func (l *log) endTest(e event) {
	k := key{e.Package, e.Test}
	l.tested[e.Package] = true
	switch e.Action {
	case "pass":
		l.passed++
	case "skip":
		l.skipped++
		l.skip(e, reason(l.output[k]))
	case "fail":
		l.failed++
		l.told[e.Package] = true
		fmt.Fprintf(l.w, "--- %s %s\n%s", e.Package, e.Test, strings.Join(l.output[k], ""))
	}
}

func (l *log) skip(e event, why string) {
	for i, s := range l.skips {
		if s.pkg == e.Package && s.why == why {
			l.skips[i].tests = append(s.tests, e.Test)
			return
		}
	}
	l.skips = append(l.skips, skipGroup{e.Package, why, []string{e.Test}})
}

func (l *log) endPackage(e event) {
	l.packages++
	out := strings.Join(l.output[key{pkg: e.Package}], "")
	for k := range l.open { // a crash ends the package but not its tests
		if k.pkg == e.Package {
			out += strings.Join(l.output[k], "")
		}
	}
	switch e.Action {
	case "pass":
		if l.noskip && !l.tested[e.Package] { // a pattern that matches nothing
			l.failed++
			fmt.Fprintf(l.w, "FAIL  %-50s no test was run in it\n", e.Package)
			break
		}
		fmt.Fprintf(l.w, "ok    %-50s %6.1f s\n", e.Package, e.Elapsed)
	case "skip": // it has no test files
		fmt.Fprintf(l.w, "none  %s\n", e.Package)
	case "fail":
		if e.FailedBuild != "" || out != "" {
			io.WriteString(l.w, out)
		}
		if e.FailedBuild != "" || l.openTests(e.Package) || !l.told[e.Package] {
			l.failed++ // not the fault of a test that has been counted
		}
		fmt.Fprintf(l.w, "FAIL  %-50s %6.1f s\n", e.Package, e.Elapsed)
		for k := range l.open {
			if k.pkg == e.Package {
				delete(l.open, k)
			}
		}
	}
}

func (l *log) openTests(pkg string) bool {
	for k := range l.open {
		if k.pkg == pkg && k.test != "" {
			return true
		}
	}
	return false
}

var placeRE = regexp.MustCompile(`^[^ ]+\.go:[0-9]+: `)

// reason finds what t.Skip said, without the place it was said at.
func reason(output []string) string {
	why := "no reason given"
	for _, o := range output {
		o = strings.TrimSpace(o)
		if o != "" && !strings.HasPrefix(o, "===") && !strings.HasPrefix(o, "---") {
			why = o
		}
	}
	return placeRE.ReplaceAllString(why, "")
}

func (l *log) finish() {
	for _, k := range slices.SortedFunc(maps.Keys(l.open), func(a, b key) int {
		return strings.Compare(a.pkg+a.test, b.pkg+b.test)
	}) {
		l.failed++
		fmt.Fprintf(l.w, "did not finish: %s %s\n%s", k.pkg, k.test, strings.Join(l.output[k], ""))
	}
	for _, s := range l.skips {
		fmt.Fprintf(l.w, "skipped in %s: %s\n  because: %s\n", s.pkg, strings.Join(s.tests, " "), s.why)
	}
	switch {
	case l.passed+l.failed+l.skipped == 0:
		fmt.Fprintln(l.w, "no test was run")
	case l.noskip && l.skipped > 0:
		fmt.Fprintln(l.w, "nothing may be skipped here")
	}
	fmt.Fprintf(l.w, "%d packages, %d tests passed, %d failed, %d skipped\n", l.packages, l.passed, l.failed, l.skipped)
}
