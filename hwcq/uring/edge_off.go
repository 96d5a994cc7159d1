//go:build !race

package uring

// edge tells the race detector what the kernel's memory orders: what a submitter
// wrote before it published a request, the poller of its completion may read. In
// normal builds it is nothing.
type edge struct{}

func (*edge) publish() {}
func (*edge) observe() {}
