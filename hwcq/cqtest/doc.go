// Package cqtest checks a completion queue against what [hwcq.CQ] promises.
// It is for whoever writes a driver: adapt the CQ with a [Driver], call [Run]
// in a test, and every property of the interface is a subtest.
//
// The suite plays the consumer, from one goroutine, from several, in the
// forced windows of the event protocol and at random. The hardware's part is
// played by the actions of a [Bed]. Completions and events may be
// asynchronous: what must happen is waited for with a generous deadline, what
// must not happen is given a short while to happen.
//
// The tests of hwcq/mock, hwcq/rxe, hwcq/uring, hwcq/eventfd and hwcq/timer have
// a Driver each to begin from.
//
// An action that the bed lacks is a capability that the CQ lacks; if
// Capabilities claims it all the same, the suite fails. What was not checked,
// and why, is logged. Nothing is skipped.
package cqtest
