package mock

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

// A fault script is a list of faults, separated by spaces, each
//
//	NAME=RULE[@DETAIL]
//
// with the names lose, duplicate, delay, spurious, armerror, early, error,
// overrun and remove, in the order of the fields of Faults. RULE is N (the Nth
// occurrence), N+COUNT (COUNT of them from the Nth on), pPROB (each with that
// probability), or N+COUNT/pPROB for both. DETAIL is the delay's duration, and
// the number of the error's status.

// part is one fault of a script.
type part struct {
	name string
	rule *Rule
}

func (f *Faults) parts() []part {
	return []part{
		{"lose", &f.LoseEvent},
		{"duplicate", &f.DuplicateEvent},
		{"delay", &f.DelayEvent},
		{"spurious", &f.SpuriousEvent},
		{"armerror", &f.ArmError},
		{"early", &f.EarlyEvent},
		{"error", &f.ErrorWC},
		{"overrun", &f.Overrun},
		{"remove", &f.Remove},
	}
}

// String returns the faults as a script that ParseFaults reads. ArmErr is not
// part of it.
func (f Faults) String() string {
	var out []string
	for _, p := range f.parts() {
		if p.rule.never() {
			continue
		}
		s := p.name + "=" + p.rule.String()
		switch {
		case p.rule == &f.DelayEvent && f.Delay != 0:
			s += "@" + f.Delay.String()
		case p.rule == &f.ErrorWC && f.ErrorStatus != 0:
			s += "@" + strconv.Itoa(int(f.ErrorStatus))
		}
		out = append(out, s)
	}
	return strings.Join(out, " ")
}

// String returns the rule as it stands in a script.
func (r Rule) String() string {
	var out []string
	if r.First != 0 {
		s := strconv.FormatUint(r.First, 10)
		if r.Count > 1 {
			s += "+" + strconv.FormatUint(r.Count, 10)
		}
		out = append(out, s)
	}
	if r.Prob != 0 {
		out = append(out, "p"+strconv.FormatFloat(r.Prob, 'g', -1, 64))
	}
	return strings.Join(out, "/")
}

// ParseFaults reads a script, like "lose=3 delay=p0.01@2ms error=5@12
// remove=900". The errors match param.ErrInvalid.
func ParseFaults(script string) (Faults, error) {
	const op = "mock: ParseFaults"
	var f Faults
	seen := map[string]bool{}
	for _, word := range strings.Fields(script) {
		name, rest, _ := strings.Cut(word, "=")
		rule, detail, detailed := strings.Cut(rest, "@")
		var to *Rule
		names := make([]string, 0, 9)
		for _, p := range f.parts() {
			names = append(names, p.name)
			if p.name == name {
				to = p.rule
			}
		}
		if to == nil {
			return Faults{}, param.Invalid(op, "fault", strconv.Quote(word), "NAME=RULE, NAME one of "+strings.Join(names, ", "))
		}
		if seen[name] {
			return Faults{}, param.Invalid(op, name, strconv.Quote(word), "once")
		}
		seen[name] = true
		var ok bool
		if *to, ok = parseRule(rule); !ok {
			return Faults{}, param.Invalid(op, name, strconv.Quote(word), "N, N+COUNT, pPROB (0 < PROB <= 1) or N+COUNT/pPROB")
		}
		if !detailed {
			continue
		}
		switch name {
		case "delay":
			d, err := time.ParseDuration(detail)
			if err != nil || d <= 0 {
				return Faults{}, param.Invalid(op, name, strconv.Quote(word), "a positive duration after the @, like @2ms")
			}
			f.Delay = d
		case "error":
			n, err := strconv.Atoi(detail)
			if err != nil || n < 1 || n > int(hwcq.StatusGeneralErr) {
				return Faults{}, param.Invalid(op, name, strconv.Quote(word), fmt.Sprintf("the number of a status after the @, 1..%d", int(hwcq.StatusGeneralErr)))
			}
			f.ErrorStatus = hwcq.Status(n)
		default:
			return Faults{}, param.Invalid(op, name, strconv.Quote(word), "nothing after an @")
		}
	}
	return f, f.validate(op)
}

func parseRule(s string) (r Rule, ok bool) {
	count, prob, both := strings.Cut(s, "/")
	if strings.HasPrefix(s, "p") {
		count, prob, both = "", s, true
	}
	if count != "" {
		first, n, more := strings.Cut(count, "+")
		var err error
		if r.First, err = strconv.ParseUint(first, 10, 64); err != nil || r.First == 0 {
			return Rule{}, false
		}
		r.Count = 1
		if more {
			if r.Count, err = strconv.ParseUint(n, 10, 64); err != nil || r.Count == 0 {
				return Rule{}, false
			}
		}
	} else if !both || prob == "" || s[0] != 'p' {
		return Rule{}, false
	}
	if both {
		p, found := strings.CutPrefix(prob, "p")
		var err error
		if r.Prob, err = strconv.ParseFloat(p, 64); !found || err != nil || !(r.Prob > 0 && r.Prob <= 1) {
			return Rule{}, false
		}
	}
	return r, true
}
