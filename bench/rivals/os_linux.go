package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

func threadSwitches() int64  { return switches(unix.RUSAGE_THREAD) }
func processSwitches() int64 { return switches(unix.RUSAGE_SELF) }

// switches counts the times that a CPU was taken away: getrusage(2), ru_nivcsw.
func switches(who int) int64 {
	var u unix.Rusage
	if unix.Getrusage(who, &u) != nil {
		return 0
	}
	return u.Nivcsw
}

// pin ties the calling thread to a CPU.
func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("a thread on CPU %d: %w", cpu, err)
	}
	return nil
}

// cpuPair chooses two CPUs: allowed, and not hardware threads of one core if there are
// others.
func cpuPair() ([2]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return [2]int{}, fmt.Errorf("which CPUs may be used: %w", err)
	}
	var allowed []int
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			allowed = append(allowed, cpu)
		}
	}
	if len(allowed) < 2 {
		return [2]int{}, fmt.Errorf("only %d CPU may be used: cells of two cores need 2", len(allowed))
	}
	for _, cpu := range allowed[1:] {
		if siblings(cpu) != siblings(allowed[0]) {
			return [2]int{allowed[0], cpu}, nil
		}
	}
	return [2]int{allowed[0], allowed[1]}, nil
}

// siblings names the hardware threads of a CPU's core.
func siblings(cpu int) string {
	b, err := os.ReadFile("/sys/devices/system/cpu/cpu" + strconv.Itoa(cpu) + "/topology/thread_siblings_list")
	if err != nil {
		return strconv.Itoa(cpu)
	}
	return strings.TrimSpace(string(b))
}

// governor is how the CPU's frequency is chosen.
func governor() string {
	b, err := os.ReadFile("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
	if err != nil {
		return "none visible (a virtual machine has none)"
	}
	return strings.TrimSpace(string(b))
}
