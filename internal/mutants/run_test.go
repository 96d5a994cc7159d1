package main

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestForeign(t *testing.T) {
	require.Equal(t, []string{"PATH=/bin", "MY_EVD_X=1"}, foreign([]string{"EVD_EXPLORE=bound=3", "PATH=/bin", "EVD_EXPLORE_REPLAY=2-", "MY_EVD_X=1", "EVD_MUTANT="}))
}

// Each job is done once, scenario or not.
func TestEach(t *testing.T) {
	var jobs []job
	for i := range 50 {
		tests := "scenario"
		if i%3 == 0 {
			tests = "^TestUnit$"
		}
		jobs = append(jobs, job{mutant: mutant{id: fmt.Sprint(i), tests: tests}})
	}
	var mu sync.Mutex
	done := map[string]int{}
	each(jobs, func(j job) {
		mu.Lock()
		defer mu.Unlock()
		done[j.mutant.id]++
	})
	require.Len(t, done, len(jobs))
	for id, n := range done {
		require.Equal(t, 1, n, id)
	}
}

// A mutation that nobody would notice is reported.
func TestSurvivor(t *testing.T) {
	if testing.Short() {
		t.Skip("builds a package")
	}
	s := suite{
		"ring",
		[]mutant{{"harmless", "P5", "nothing is wrong", "idling", ""}},
		[]edit{{"ring/mpsc.go", "	r.tail.Or(closedBit) // [P5]", "	if mutant(\"harmless\") {\n		r.tail.Or(closedBit)\n	}\n	r.tail.Or(closedBit) // [P5]"}},
		ringTests, `import "os"`, "",
	}
	top, err := moduleRoot()
	require.NoError(t, err)
	bin, err := s.build(top, t.TempDir())
	require.NoError(t, err)
	t.Setenv("EVD_EXPLORE", "bound=nonsense") // is for others
	t.Setenv("EVD_EXPLORE_REPLAY", "0-9")
	t.Setenv("EVD_MUTANT", "harmless")
	j := job{suite: s, mutant: s.mutants[0], bin: bin, dir: filepath.Join(top, "ring")}
	v := j.run(unitBudget)
	require.False(t, v.caught)
	require.Equal(t, "survived idling", v.reason)
	j.mutant.tests = "none of that name"
	v = j.run(unitBudget)
	require.False(t, v.caught)
	require.Contains(t, v.reason, "no test matches")

	other := j
	j.mutant.tests, other.mutant.tests, other.mutant.id = "idling|singles", "idling|full", "other"
	unit := j
	unit.mutant.tests = "^TestCredit$"
	n, err := baseline([]job{j, other, unit})
	require.NoError(t, err)
	require.Equal(t, 4, n)
	other.mutant.tests, unit.mutant.tests = "idling|idlin", "^TestCredits$"
	_, err = baseline([]job{j, other, unit})
	require.ErrorContains(t, err, "idlin of ring, which other names: there is no test TestExplore/idlin")
	require.ErrorContains(t, err, "^TestCredits$ of ring, which harmless names: there is no test TestCredits")

	s.edits[0].old = "no such text"
	_, err = s.build(top, t.TempDir())
	require.ErrorContains(t, err, "occurs 0 times")
}
