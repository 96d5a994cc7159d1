//go:build explore && !race

package atom_test

const raceDetector = false
