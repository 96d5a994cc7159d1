package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What test binaries print, shortened.
const (
	found = `=== RUN   TestExploreEvent
    scenario_explore_test.go:234: TestExploreEvent: 27 executions (by bound 0: 20, 1: 7), 2310 steps, 1ms, 27000 executions/s
    scenario_explore_test.go:234: TestExploreEvent: deadlock: nothing can happen any more, but main waits
        replay: 1-17z.1
--- FAIL: TestExploreEvent (0.00s)
FAIL
`
	nested = `=== RUN   TestExplore
=== RUN   TestExplore/full
    explore_test.go:275: TestExplore/full: 3 executions , 90 steps, 1ms, 3000 executions/s
    explore_test.go:275: TestExplore/full: popped {1 0} twice
--- FAIL: TestExplore (0.00s)
    --- FAIL: TestExplore/full (0.00s)
FAIL
`
	unitFails = `=== RUN   TestHandles
    basic_test.go:10: want an error
--- FAIL: TestHandles (0.00s)
FAIL
`
	scenarioPasses = `=== RUN   TestExploreEvent
    scenario_explore_test.go:234: TestExploreEvent: 300 executions (by bound 0: 20, 1: 280), 2310 steps, 1ms, 27000 executions/s
--- PASS: TestExploreEvent (0.00s)
PASS
`
	nestedPasses = `=== RUN   TestExplore
=== RUN   TestExplore/full/capacity=2
    explore_test.go:275: TestExplore/full/capacity=2: 3 executions , 90 steps, 1ms, 3000 executions/s
--- PASS: TestExplore (0.00s)
    --- PASS: TestExplore/full/capacity=2 (0.00s)
PASS
`
	unitPasses = `=== RUN   TestHandles
--- PASS: TestHandles (0.00s)
PASS
`
	nothing = `testing: warning: no tests to run
PASS
`
)

var errExit = errors.New("exit status 1")

func TestJudge(t *testing.T) {
	instead := func(reason string) string {
		return strings.Replace(found, "deadlock: nothing can happen any more, but main waits", reason, 1)
	}
	for _, c := range []struct {
		name, out    string
		unit, late   bool
		err          error
		caught       bool
		test, reason string
	}{
		{"found", found, false, false, errExit, true, "TestExploreEvent", "deadlock: nothing can happen any more, but main waits"},
		{"found in a subtest", nested, false, false, errExit, true, "TestExplore/full", "popped {1 0} twice"},
		{"a unit test fails", unitFails, true, false, errExit, true, "TestHandles", "fails"},
		{"a unit test hangs", "=== RUN   TestHandles\n", true, true, errExit, true, "the tests", "hangs"},
		{"a scenario hangs", "=== RUN   TestExploreEvent\n", false, true, errExit, false, "", "no verdict in time"},
		{"a scenario passes", scenarioPasses, false, false, nil, false, "", "survived the tests"},
		{"a unit test passes", unitPasses, true, false, nil, false, "", "survived the tests"},
		{"no scenario", nothing, false, false, nil, false, "", "no test matches the tests"},
		{"no unit test", nothing, true, false, nil, false, "", "no test matches the tests"},
		{"a crash", "fatal error: out of memory\n", false, false, errExit, false, "", "the test binary failed without a failing test: exit status 1"},
		{"not complete", instead("not complete after 2000000 executions: raise MaxExecutions"), false, false, errExit, false, "", "no verdict: not complete after 2000000 executions"},
		{"not deterministic", instead("the scenario is not deterministic: it ended 3 decisions early"), false, false, errExit, false, "", "no verdict: the scenario is not deterministic"},
		{"another time it passes", instead("n is 1\nnot deterministic: the replay did not fail"), false, false, errExit, false, "", "no verdict: not deterministic: the replay did not fail"},
		{"a string that does not fit", instead("the replay string does not fit: 3 decisions left over"), false, false, errExit, false, "", "no verdict: the replay string does not fit"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := judge("the tests", c.unit, []byte(c.out), c.late, c.err)
			require.Equal(t, c.caught, v.caught)
			require.Equal(t, c.test, v.test)
			require.Equal(t, c.reason, v.reason)
		})
	}
	require.Equal(t, "27 executions", judge("", false, []byte(found), false, errExit).executions)
}

func TestPasses(t *testing.T) {
	skipped := strings.NewReplacer("PASS:", "SKIP:").Replace(scenarioPasses)
	for _, c := range []struct {
		name, test, out string
		unit, late      bool
		err             error
		took            time.Duration
		want            string // "": it passes
	}{
		{"a scenario", "TestExploreEvent", scenarioPasses, false, false, nil, time.Minute, ""},
		{"one in a subtest", "TestExplore/full", nestedPasses, false, false, nil, time.Second, ""},
		{"one with subtests", "TestExplore", nestedPasses, false, false, nil, time.Second, ""},
		{"a unit test", "TestHandles", unitPasses, true, false, nil, time.Second, ""},
		{"a slow one", "TestHandles", unitPasses, true, false, nil, unitBudget/2 + 1, "allowed is half of what a mutant has"},
		{"one that hangs", "TestHandles", "=== RUN   TestHandles\n", true, true, errExit, unitBudget, "not done after"},
		{"a failure", "TestExploreEvent", found, false, false, errExit, time.Second, "it fails: exit status 1\n=== RUN"},
		{"a skip", "TestExploreEvent", skipped, false, false, nil, time.Second, "it does not pass"},
		{"nothing", "TestExploreEvent", nothing, false, false, nil, time.Second, "there is no test TestExploreEvent"},
		{"a skip of a part", "TestExplore/full", nestedPasses + "    --- SKIP: TestExplore/full/capacity=3 (0.00s)\n", false, false, nil, time.Second, "it does not pass"},
		{"the end of a name", "TestExplore", scenarioPasses, false, false, nil, time.Second, "there is no test TestExplore"},
		{"another subtest", "TestExplore/ful", nestedPasses, false, false, nil, time.Second, "there is no test TestExplore/ful"},
		{"no scenario", "TestHandles", unitPasses, false, false, nil, time.Second, "is no scenario"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := passes(c.test, c.unit, []byte(c.out), c.late, c.err, c.took)
			if c.want == "" {
				require.NoError(t, err)
			} else {
				require.ErrorContains(t, err, c.want)
			}
		})
	}
}
