package main

import (
	"context"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// job is a mutant to run.
type job struct {
	suite    suite
	mutant   mutant
	bin, dir string
}

// unitBudget is for tests that are no scenarios: a mutant may make them hang.
const unitBudget = 20 * time.Second

// run runs the tests of a mutant until one fails.
func (j job) run(budget time.Duration) verdict {
	began := time.Now()
	if j.mutant.unit() {
		budget = unitBudget
	}
	out, late, err := start(j.bin, j.dir, budget, []string{"EVD_MUTANT=" + j.mutant.id}, "-test.failfast", "-test.run", j.suite.pattern(j.mutant.tests))
	v := judge(j.mutant.tests, j.mutant.unit(), out, late, err)
	v.took = time.Since(began)
	return v
}

// start runs a test binary in its package's folder, with what vars say and no
// other variable of this project: what someone has exported to replay a failure
// or to search otherwise must not decide here.
func start(bin, dir string, budget time.Duration, vars []string, args ...string) (out []byte, late bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, append([]string{"-test.v"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(foreign(os.Environ()), append(vars, "GOMAXPROCS=1")...)
	out, err = cmd.CombinedOutput()
	return out, ctx.Err() != nil, err
}

// foreign returns the variables that are not of this project.
func foreign(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, "EVD_") })
}

// each calls do for each job, as many at a time as there are processors. Beside them
// run those that are no scenarios, four times as many: what a mutant makes hang waits
// for most of its budget, and the processors with it.
func each(jobs []job, do func(j job)) {
	var units, scenarios []job
	for _, j := range jobs {
		if j.mutant.unit() {
			units = append(units, j)
		} else {
			scenarios = append(scenarios, j)
		}
	}
	var wg sync.WaitGroup
	wg.Go(func() { parallel(len(units), 4*runtime.NumCPU(), func(i int) { do(units[i]) }) })
	parallel(len(scenarios), runtime.NumCPU(), func(i int) { do(scenarios[i]) })
	wg.Wait()
}

// parallel calls do(0) to do(n-1), so many at a time.
func parallel(n, workers int, do func(i int)) {
	work := make(chan int)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := range work {
				do(i)
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	wg.Wait()
}
