package spin

import "syscall"

// Yield offers the CPU to other threads of the system (sched_yield(2)): kernel
// workers and other processes that the Go scheduler knows nothing of. Some
// 300 ns when nobody wants it.
func Yield() { syscall.RawSyscall(syscall.SYS_SCHED_YIELD, 0, 0, 0) }
