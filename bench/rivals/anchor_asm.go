//go:build amd64

package main

//go:noescape
func bounce(mine, theirs *uint64, n uint64, first bool)
