package engine

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/evdengine/evd/internal/param"
)

// CPU says on which CPU of the system the thread of a poller runs: AnyCPU, or
// OnCPU(n).
type CPU int

// AnyCPU lets the scheduler choose, from one moment to the next.
const AnyCPU CPU = 0

// OnCPU is CPU n alone, from 0 as the system counts them (Linux:
// /proc/cpuinfo's "processor"). It must be one that the process might use
// when it began; the error for another one tells which those are.
func OnCPU(n int) CPU {
	if n < 0 {
		return CPU(n) // none, and refused by check
	}
	return CPU(min(n, math.MaxInt-1) + 1)
}

func (c CPU) String() string {
	switch {
	case c == AnyCPU:
		return "any CPU"
	case c < 0:
		return fmt.Sprintf("CPU %d", int(c))
	}
	return fmt.Sprintf("CPU %d", int(c)-1)
}

// number is the system's number of the CPU, -1 for AnyCPU.
func (c CPU) number() int { return int(c) - 1 }

// check refuses a CPU that pin would refuse now, as the parameter name of op.
// Errors: ErrInvalid; ErrNotSupported where threads cannot be pinned.
func (c CPU) check(op, name string) error {
	if c == AnyCPU {
		return nil
	}
	allowed, err := usableCPUs()
	if err != nil {
		return fmt.Errorf("%s: %s = %v: %w: must be AnyCPU on this system", op, name, c, err)
	}
	if c > 0 && slices.Contains(allowed, c.number()) {
		return nil
	}
	return param.Invalid(op, name, c, "AnyCPU or OnCPU of one that the process may use: "+ranges(allowed))
}

// ranges writes ascending numbers as the system does: 0-3,6.
func ranges(nums []int) string {
	var parts []string
	for i := 0; i < len(nums); {
		j := i
		for j+1 < len(nums) && nums[j+1] == nums[j]+1 {
			j++
		}
		s := strconv.Itoa(nums[i])
		if j > i {
			s += "-" + strconv.Itoa(nums[j])
		}
		parts = append(parts, s)
		i = j + 1
	}
	return strings.Join(parts, ",")
}
