package main

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"
)

// A test that fails, hangs or does not exist without any mutant would say
// nothing about those that name it. So every test that a mutant names runs
// once before, in the same binary with no mutant selected.

// baselineSearch cuts the scenarios short: `make explore` runs them in full.
const baselineSearch = "EVD_EXPLORE=executions=300"

// baselineTest is one alternative of what mutants name.
type baselineTest struct {
	suite    suite
	bin, dir string
	test     string // as it stands in the table
	unit     bool
	mutants  []string // that name it
}

// baselineTests returns what the jobs' mutants name, each test once.
func baselineTests(jobs []job) []baselineTest {
	var out []baselineTest
	at := map[[2]string]int{}
	for _, j := range jobs {
		for _, test := range j.mutant.alternatives() {
			k := [2]string{j.bin, test}
			i, ok := at[k]
			if !ok {
				i = len(out)
				at[k] = i
				out = append(out, baselineTest{suite: j.suite, bin: j.bin, dir: j.dir, test: test, unit: j.mutant.unit()})
			}
			if !slices.Contains(out[i].mutants, j.mutant.id) {
				out[i].mutants = append(out[i].mutants, j.mutant.id)
			}
		}
	}
	return out
}

// baseline runs all that the jobs' mutants name, without a mutant, and returns
// how many tests these are and what is wrong with them.
func baseline(jobs []job) (int, error) {
	tests := baselineTests(jobs)
	errs := make([]error, len(tests))
	parallel(len(tests), runtime.NumCPU(), func(i int) {
		if err := tests[i].run(); err != nil {
			errs[i] = fmt.Errorf("without a mutant: %s of %s, which %s names: %w", tests[i].test, tests[i].suite.pkg, strings.Join(tests[i].mutants, ", "), err)
		}
	})
	return len(tests), errors.Join(errs...)
}

func (b baselineTest) run() error {
	began := time.Now()
	vars := []string{"EVD_MUTANT="}
	if !b.unit {
		vars = append(vars, baselineSearch)
	}
	out, late, err := start(b.bin, b.dir, unitBudget, vars, "-test.run", b.suite.pattern(b.test))
	return passes(b.suite.name(b.test), b.unit, out, late, err, time.Since(began))
}

// passes says what is wrong with a test called name that printed out. Ring's are
// one level up from subtests of theirs, name/capacity=2, which is all that shows.
func passes(name string, unit bool, out []byte, late bool, err error, took time.Duration) error {
	line := func(format string) bool {
		return regexp.MustCompile(fmt.Sprintf(`(?m)^\s*`+format, regexp.QuoteMeta(name)+`(/\S+)?`)).Match(out)
	}
	searched := false
	for _, m := range execRE.FindAllSubmatch(out, -1) {
		searched = searched || string(m[1]) == name || bytes.HasPrefix(m[1], []byte(name+"/"))
	}
	switch {
	case late:
		return fmt.Errorf("not done after %v", unitBudget)
	case err != nil:
		return fmt.Errorf("it fails: %w\n%s", err, out)
	case !line(`=== RUN   %s$`):
		return fmt.Errorf("there is no test %s", name)
	case !line(`--- PASS: %s \(`) || line(`--- SKIP: %s \(`):
		return fmt.Errorf("it does not pass:\n%s", out)
	case !unit && !searched:
		return fmt.Errorf("%s is no scenario: the explorer ran nothing\n%s", name, out)
	case unit && took > unitBudget/2:
		// A mutant that hangs counts as caught.
		return fmt.Errorf("it takes %.1f s: allowed is half of what a mutant has, %v", took.Seconds(), unitBudget/2)
	}
	return nil
}
