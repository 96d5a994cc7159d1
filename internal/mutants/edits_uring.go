package main

// uringEdits are the edits that make them.
var uringEdits = []edit{
	{"hwcq/uring/poll.go", `		if !r.owned { // an owner's kernel side`, `		if !r.owned && !mutant("Ur15") { // an owner's kernel side`},
	{"hwcq/uring/ring_linux.go", `	r.note.arm()
`, `	if !mutant("Ur1") {
		r.note.arm()
	}
`},
	{"hwcq/uring/ring_linux.go", `	missed = r.cqTail.Load() != r.cqHead.Load() || r.sqFlags`, `	if mutant("Ur1") {
		defer r.note.arm()
	}
	missed = r.cqTail.Load() != r.cqHead.Load() || !mutant("Ur2") && r.sqFlags`},
	{"hwcq/uring/poll.go", `	p := r.cqTail.Load() != r.cqHead.Load() || r.sqFlags`, `	p := r.cqTail.Load() != r.cqHead.Load() || !mutant("Ur2") && r.sqFlags`},
	{"hwcq/uring/notify.go", `	old := n.armed.Swap(`, `	if mutant("Ur3") && !n.owned {
		n.cqFlags.Store(0)
	}
	old := n.armed.Swap(`},
	{"hwcq/uring/notify.go", `	// io_eventfd_signal.
	n.cqFlags.Store(0)
`, `	if !mutant("Ur3") && !mutant("Ur3b") {
		n.cqFlags.Store(0)
	}
`},
	{"hwcq/uring/notify.go", `		if a != 0 && uint32(a) == n.cqTail.Load() {`, `		if a != 0 && uint32(a) == n.cqTail.Load() && !mutant("Ur5") {`},
	{"hwcq/uring/notify.go", `		n.cqFlags.Store(cqEventFDDisabled) // [U4] before the arm is taken; pairs with [U1], [U2]
		if n.armed.CompareAndSwap(a, 0) {
`, `		if !mutant("Ur4") {
			n.cqFlags.Store(cqEventFDDisabled)
		}
		if n.armed.CompareAndSwap(a, 0) {
			if mutant("Ur4") {
				n.cqFlags.Store(cqEventFDDisabled)
			}
`},
	{"hwcq/uring/notify.go", `		// since is found by the look at the tail.
`, `		if mutant("Ur6") {
			return event
		}
`},
	{"hwcq/uring/notify.go", `	n.cqFlags.Store(0) // [U6]`, `	if !mutant("Ur8") {
		n.cqFlags.Store(0)
	}
	//`},
	{"hwcq/uring/notify.go", `		n.parked.Store(asleep)
`, `		if !mutant("Ur10") && !(mutant("Ur11") && n.parked.Load() != awake) {
			n.parked.Store(asleep)
		}
`},
	{"hwcq/uring/notify.go", `		if err = c.fetchFor(true); err != nil {
			break
		}
`, `		if mutant("Ur7") && c.(*Ring).unfetched() == 0 {
			err = nil
		} else if err = c.fetchFor(true); err != nil {
			break
		}
		if mutant("Ur8") {
			n.cqFlags.Store(0)
		}
`},
	{"hwcq/uring/notify.go", `		if !c.busy() {
			if`, `		if mutant("Ur10") {
			n.parked.Store(asleep)
		}
		busy := c.busy()
		if mutant("Ur7") || mutant("Ur8") {
			busy = c.(*Ring).unfetched() != 0
		}
		if !busy {
			if`},
	{"hwcq/uring/notify.go", `	if a == 0 || uint32(a) == n.cqTail.Load() {`, `	if a == 0 || uint32(a) == n.cqTail.Load() && !mutant("Ur9") {`},
	{"hwcq/uring/notify.go", `	if n.woken.Swap(1) != 0 {`, `	if mutant("Ur12") && n.owned {
		n.nudge()
		n.woken.Store(1)
		return
	}
	if n.woken.Swap(1) != 0 {`},
	{"hwcq/uring/notify.go", `	if count >= wakeCount {`, `	if count >= wakeCount && !(mutant("Ur14") && uint32(count) != 0) {`},
	{"hwcq/uring/submit.go", `		// is stored before it looks at the tail.
		r.note.nudge()
`, `		if !mutant("Ur13") {
			r.note.nudge()
		}
`},
}
