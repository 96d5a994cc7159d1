//go:build !linux

package bench

import "time"

// napSlack is how much longer than asked for a nap takes, mostly.
const napSlack = 2 * time.Millisecond

func nap(d time.Duration) { time.Sleep(d) }
