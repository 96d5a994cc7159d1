//go:build !linux

package cqtest

var brokenBound []broken
