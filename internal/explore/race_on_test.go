//go:build race

package explore_test

// raceDetector makes everything some twenty times slower, with nothing for it
// to find in more than a sample: only one thread runs at a time.
const raceDetector = true
