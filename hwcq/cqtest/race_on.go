//go:build race

package cqtest

// raceEnabled tells whether the race detector, which allocates, is on.
const raceEnabled = true
