//go:build !amd64

package main

import "sync/atomic"

func bounce(mine, theirs *uint64, n uint64, first bool) {
	for i := uint64(1); i <= n; i++ {
		if first {
			atomic.StoreUint64(mine, i)
		}
		for atomic.LoadUint64(theirs) != i {
		}
		if !first {
			atomic.StoreUint64(mine, i)
		}
	}
}
