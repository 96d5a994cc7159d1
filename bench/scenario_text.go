package bench

import "fmt"

// faults writes what a script of faults did.
func (t *texter) faults(f *FaultReport) {
	if f == nil {
		return
	}
	t.line("faults", "%s: %d passed, %d failed", f.Script, f.Passed, f.Failed)
	for _, c := range f.Checks {
		verdict := "pass"
		if !c.Pass {
			verdict = "FAIL"
		}
		t.line("", "%-9s injected %s, seen %s (%s): %s", c.Name, groupU(c.Injected), groupU(c.Seen), c.What, verdict)
	}
}

// lost is the part of the balance that only a script of faults makes.
func (c *Conservation) lost() string {
	if c.Lost == 0 {
		return ""
	}
	return fmt.Sprintf(" + lost %s, as the script has it", groupU(c.Lost))
}
