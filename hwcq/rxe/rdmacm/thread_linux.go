//go:build amd64 || arm64

package rdmacm

import "runtime"

// thread is a goroutine that keeps one thread of the system to itself. The kernel
// takes commands only from a thread with the credentials object of the open, and
// in a program that has changed its credentials each thread has its own.
//
// Concurrency: do from any goroutine, until end.
type thread struct{ jobs chan job }

type job struct {
	f    func()
	done chan struct{}
}

func newThread() thread {
	t := thread{make(chan job)}
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		for j := range t.jobs {
			j.f()
			close(j.done)
		}
	}()
	return t
}

// do runs f on the thread.
func (t thread) do(f func()) {
	j := job{f, make(chan struct{})}
	t.jobs <- j
	<-j.done
}

// end lets the thread go. No do may follow.
func (t thread) end() { close(t.jobs) }
