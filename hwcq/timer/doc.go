// Package timer is a completion queue whose completions are timers: give it to
// an EVD, and time is one more source of events, in order with all others and
// without a goroutine of its own.
//
// Start with [New]; [CQ.After] and [CQ.Every] start timers, [CQ.Stop] ends
// them. It is portable, and under testing/synctest it goes by the fake clock.
package timer
