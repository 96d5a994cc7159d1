package bench

import "fmt"

// faults writes what a script of faults did.
func (t *texter) faults(f *FaultReport) {
	title := "faults"
	for _, line := range f.Lines() {
		t.line(title, "%s", line)
		title = ""
	}
}

// Lines says in words what the script did and what became of it: a line for all, and
// one for each fault. Of nil there are none.
func (f *FaultReport) Lines() []string {
	if f == nil {
		return nil
	}
	lines := []string{fmt.Sprintf("%s: %d passed, %d failed", f.Script, f.Passed, f.Failed)}
	for _, c := range f.Checks {
		verdict := "pass"
		if !c.Pass {
			verdict = "FAIL"
		}
		lines = append(lines, fmt.Sprintf("%-9s injected %s, seen %s (%s): %s", c.Name, groupU(c.Injected), groupU(c.Seen), c.What, verdict))
	}
	return lines
}

// lost is the part of the balance that only a script of faults makes.
func (c *Conservation) lost() string {
	if c.Lost == 0 {
		return ""
	}
	return fmt.Sprintf(" + lost %s, as the script has it", groupU(c.Lost))
}
