//go:build !linux

package main

import "errors"

func threadSwitches() int64  { return 0 }
func processSwitches() int64 { return 0 }

func pin(int) error { return errors.New("threads are tied to CPUs on Linux only") }

func cpuPair() ([2]int, error) {
	return [2]int{}, errors.New("cells of two cores need Linux, to tie threads to them")
}

func governor() string { return "unknown" }
