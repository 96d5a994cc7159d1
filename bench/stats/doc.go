// Package stats says what measurements are worth: the metrics of a report by
// name, medians and their confidence intervals, whether two sets of runs differ,
// and by how much a difference must exceed what identical runs differ by.
//
// Two ways to compare. Unpaired: two sets of runs made at different times, as in
// two result files; the tests are those of benchstat (golang.org/x/perf/benchmath).
// Paired: runs that took turns on the same machine, in blocks; see [Block].
//
// The package neither prints nor exits. All of it is safe for concurrent use,
// since nothing has state.
package stats
