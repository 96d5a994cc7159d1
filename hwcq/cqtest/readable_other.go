//go:build !linux

package cqtest

// readable: no driver has a descriptor here.
func readable(int) bool { return false }
