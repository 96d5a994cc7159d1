package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const (
	good = `{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"A"}
{"Action":"output","Package":"p","Test":"A","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"A","Elapsed":0.1}
{"Action":"pass","Package":"p","Elapsed":0.2}
`
	skip = `{"Action":"run","Package":"q","Test":"S"}
{"Action":"output","Package":"q","Test":"S","Output":"=== RUN   S\n"}
{"Action":"output","Package":"q","Test":"S","Output":"    s_test.go:9: no device\n"}
{"Action":"output","Package":"q","Test":"S","Output":"--- SKIP: S (0.00s)\n"}
{"Action":"skip","Package":"q","Test":"S"}
{"Action":"pass","Package":"q"}
`
	bad = `{"Action":"run","Package":"b","Test":"F"}
{"Action":"output","Package":"b","Test":"F","Output":"    f_test.go:1: want 1\n"}
{"Action":"fail","Package":"b","Test":"F"}
{"Action":"output","Package":"b","Output":"FAIL\n"}
{"Action":"fail","Package":"b","Elapsed":1}
`
	crash = `{"Action":"run","Package":"c","Test":"C"}
{"Action":"output","Package":"c","Test":"C","Output":"panic: boom\n"}
{"Action":"fail","Package":"c"}
`
	build = `{"ImportPath":"d","Action":"build-output","Output":"d.go:1: syntax error\n"}
{"ImportPath":"d","Action":"build-fail"}
{"Action":"output","Package":"d","Output":"FAIL\td [build failed]\n"}
{"Action":"fail","Package":"d","FailedBuild":"d"}
`
	outside = `{"Action":"start","Package":"o"}
{"Action":"run","Package":"o","Test":"A"}
{"Action":"pass","Package":"o","Test":"A"}
{"Action":"output","Package":"o","Output":"TestMain: leak\n"}
{"Action":"fail","Package":"o"}
`
	cut = `{"Action":"start","Package":"e"}
{"Action":"run","Package":"e","Test":"Hang"}
{"Action":"output","Package":"e","Test":"Hang","Output":"waiting\n"}
`
	empty = `{"Action":"start","Package":"n"}
{"Action":"skip","Package":"n"}
`
	unmatched = `{"Action":"start","Package":"u"}
{"Action":"output","Package":"u","Output":"testing: warning: no tests to run\n"}
{"Action":"output","Package":"u","Output":"PASS\n"}
{"Action":"output","Package":"u","Output":"ok  \tu\t0.004s [no tests to run]\n"}
{"Action":"pass","Package":"u","Elapsed":0.005}
`
)

func TestSummarize(t *testing.T) {
	for _, c := range []struct {
		name, in string
		noskip   bool
		ok       bool
		says     []string
		silent   []string
	}{
		{"all good", good, true, true, []string{"ok    p", "1 packages, 1 tests passed, 0 failed, 0 skipped"}, []string{"chatter"}},
		{"skip is told", good + skip, false, true, []string{"skipped in q: S\n  because: no device\n", "1 skipped"}, nil},
		{"skips of one reason", skip + strings.ReplaceAll(skip, `"S"`, `"T"`) + good, false, true, []string{"skipped in q: S T\n", "2 skipped"}, nil},
		{"skip is a failure", good + skip, true, false, []string{"nothing may be skipped"}, nil},
		{"failure is shown", good + bad, false, false, []string{"f_test.go:1: want 1", "FAIL  b", "1 passed, 1 failed"}, nil},
		{"crash", good + crash, false, false, []string{"panic: boom", "FAIL  c"}, nil},
		{"crash after failure", bad + crash, false, false, []string{"panic: boom", "2 failed"}, nil},
		{"failure outside of tests", bad + outside, false, false, []string{"TestMain: leak", "FAIL  o", "2 failed"}, nil},
		{"build failure", good + bad + build, false, false, []string{"syntax error", "build failed", "2 failed"}, nil},
		{"cut off", good + cut, false, false, []string{"did not finish: e Hang\nwaiting"}, nil},
		{"nothing", "", false, false, []string{"no test was run"}, nil},
		{"no tests in it", empty, false, false, []string{"none  n", "no test was run"}, nil},
		{"no test files is no skip", good + empty, true, true, []string{"none  n"}, nil},
		{"no test matches", good + unmatched, false, true, []string{"ok    u"}, nil},
		{"no test matches, and nothing may be skipped", good + unmatched, true, false, []string{"FAIL  u", "no test was run in it", "1 failed"}, []string{"ok    u"}},
		{"only skips", skip, false, false, nil, nil},
		{"foreign lines", "go: downloading x\n{not json\n" + good, false, true, []string{"go: downloading x\n", "{not json"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			s, err := summarize(strings.NewReader(c.in), &out, c.noskip, "")
			require.NoError(t, err)
			require.Equal(t, c.ok, s.ok(), out.String())
			for _, want := range c.says {
				require.Contains(t, strings.ReplaceAll(out.String(), "tests passed", "passed"), strings.ReplaceAll(want, "tests passed", "passed"))
			}
			for _, no := range c.silent {
				require.NotContains(t, out.String(), no)
			}
		})
	}
}

func TestShow(t *testing.T) {
	var out strings.Builder
	_, err := summarize(strings.NewReader(`{"Action":"output","Package":"a","Test":"A","Output":"12 executions\n"}
{"Action":"output","Package":"a","Test":"A","Output":"nothing\n"}
{"Action":"pass","Package":"a","Test":"A"}
`), &out, false, "executions")
	if err != nil || !strings.HasPrefix(out.String(), "12 executions\n") || strings.Contains(out.String(), "nothing") {
		t.Fatal(out.String(), err)
	}
}
