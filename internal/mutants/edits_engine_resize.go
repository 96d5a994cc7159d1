package main

// engineEditsResize are the edits that make them.
var engineEditsResize = []edit{
	{"engine/resize.go", `	for {
		s := d.load()
		if s&bCLOSE != 0 {
			return false, d.closedErr(op)
		}
		if s&bOWN != 0 {`, `	for {
		s := d.load()
		if s&bCLOSE != 0 && !mutant("Z8d") {
			return false, d.closedErr(op)
		}
		if mutant("Z8") || mutant("Z8b") && s&bOWN != 0 {
			return false, d.shrinkTo(op, n)
		}
		if s&bOWN != 0 {`},
	{"engine/resize.go", `	case taken:
		d.release(true)`, `	case taken && mutant("Z8c"):
	case taken:
		d.release(!mutant("Z8g"))`},
	{"engine/resize.go", `		aside = len(sd.stash) - sd.head
`, `		aside = pick(mutant("Z8e"), 0, len(sd.stash)-sd.head)
`},
	{"engine/resize.go", `	d.ring.Return() // what`, `	if mutant("Z8f") {
		held, st, err := d.ring.Resize(n, int(d.ring.Accepted()))
		return d.resizeErr(op, n, held, st, err)
	}
	d.ring.Return() // what`},
	{"engine/resize.go", `	taken, err := d.resize(op, n)
`, `	early := d.load()
	taken, err := d.resize(op, n)
`},
	{"engine/resize.go", `	case err == nil:
		d.startStalled()`, `	case mutant("Z9") || mutant("Z9b") && early&bSTALL == 0:
	case err == nil:
		d.startStalled()`},
	{"engine/wait.go", `	if err := d.checkThreshold(&w); err != nil {
		d.release(true)
		return 0, 0, err`, `	if err := d.checkThreshold(&w); err != nil && !mutant("Z0") {
		if !mutant("Z0b") {
			d.release(true)
		}
		return 0, 0, err`},
}
