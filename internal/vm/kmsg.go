package vm

import (
	"regexp"
	"strings"
)

// fatalRE matches console lines after which the guest is beyond use; alertRE
// those a tester wants to know of although the job may go on.
var (
	fatalRE = regexp.MustCompile(`Kernel panic - not syncing|Unable to mount root fs`)
	alertRE = regexp.MustCompile(`^(Kernel panic|BUG: |Oops: |WARNING: |general protection fault|watchdog: BUG|INFO: task .* blocked|rcu: INFO: .*stall|INFO: rcu_.*stall|Out of memory: |possible recursive locking|unregister_netdevice: waiting|Bad page state|list_(add|del) corruption|refcount_t: )`)
	stampRE = regexp.MustCompile(`^(<[0-9]+>)?\[ *[0-9]+\.[0-9]+\](\[[ A-Z0-9]+\])? ?`)
)

// kernelAlerts returns the lines of a console or kernel log that report
// trouble, without their time stamps and each once, and whether the kernel
// died.
func kernelAlerts(log string) (alerts []string, fatal bool) {
	seen := map[string]bool{}
	for line := range strings.Lines(log) {
		line = stampRE.ReplaceAllString(strings.TrimRight(line, "\r\n"), "")
		if fatalRE.MatchString(line) {
			fatal = true
		}
		if alertRE.MatchString(line) && !seen[line] {
			seen[line] = true
			alerts = append(alerts, line)
		}
	}
	return alerts, fatal
}

// lastLines returns at most n lines from the end of s.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimRight(strings.ReplaceAll(s, "\r", ""), "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
