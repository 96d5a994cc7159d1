package engine

import "golang.org/x/sys/unix"

// pinBench binds the calling thread to a CPU, if the system lets it.
func pinBench(cpu int) {
	var set unix.CPUSet
	set.Set(cpu)
	_ = unix.SchedSetaffinity(0, &set)
}
