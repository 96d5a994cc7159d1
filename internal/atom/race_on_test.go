//go:build explore && race

package atom_test

// raceDetector makes everything some twenty times slower.
const raceDetector = true
