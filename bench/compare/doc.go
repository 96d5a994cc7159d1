// Package compare compares measurements: those of processes that take turns until a
// verdict is reached ([Interleaved]), or those of result files ([Files]).
//
// The package neither prints nor exits.
package compare
