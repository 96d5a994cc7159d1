// Package lint holds the rules of this repository that no general linter
// knows: which package may import which, where atomics and unsafe may stand,
// that the library is silent, how long a file may get, that the README shows
// code that runs.
//
// A rule looks at a parsed [Tree] and returns its complaints, so that each is
// tested on a bad example: a rule that cannot fail is no rule. The test of
// this package runs all of them over the repository.
package lint
