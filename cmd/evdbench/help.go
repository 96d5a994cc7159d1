package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The groups of flags in help texts.
const (
	groupTarget  = "Target"
	groupLoad    = "Load"
	groupEngine  = "Engine"
	groupHost    = "Host"
	groupMeasure = "Measure"
	groupOutput  = "Output"
	groupGate    = "Gate"
	groupProfile = "Profile"
	groupConfig  = "Config"
	groupOther   = "Other"
)

var groupOrder = []string{
	groupTarget, groupLoad, groupEngine, groupHost, groupMeasure,
	groupOutput, groupGate, groupProfile, groupConfig, groupOther,
}

// groupKey is the annotation of a flag that says which group it is of.
const groupKey = "evdbench_group"

// grouped makes the flags that define adds those of a group, if it does not say
// otherwise.
func grouped(f *pflag.FlagSet, group string, define func()) {
	before := map[string]bool{}
	f.VisitAll(func(f *pflag.Flag) { before[f.Name] = true })
	define()
	f.VisitAll(func(fl *pflag.Flag) {
		if !before[fl.Name] && len(fl.Annotations[groupKey]) == 0 {
			_ = f.SetAnnotation(fl.Name, groupKey, []string{group})
		}
	})
}

// members are the flags whose group is fixed, wherever they are defined.
var members = map[string]string{
	groupTarget: "cq dev size depth service seed error-rate server peer peer-listen ack-timeout retries direction listen netdev addr" +
		" rendezvous rendezvous-file wait",
	groupLoad: "count duration warmup rate arrival max-lag outstanding posters stall oneway pingpong rest once workload pattern" +
		" period sleep no-sleep cpus patience short binary a b engines aa turn turn-warmup rounds max-reps max-time order-seed" +
		" vary order find from to precision majority",
	groupEngine:  "mode spin dispatch exclusive capacity batch budget engine policy evds cqs handler faults flip",
	groupHost:    "gomaxprocs pin gc lock-memory cpu-dma-latency prio",
	groupMeasure: "reps percentiles interval stages",
	groupOutput:  "output out append quiet tag live json schema kind histogram metric over all",
	groupGate:    "fail-if baseline save store limit effect confidence force strict",
	groupProfile: "cpuprofile memprofile mutexprofile blockprofile goroutineprofile trace pprof-addr trace-breach flight kinds top",
	groupConfig:  "config preset dump-config dry-run help",
}

var memberOf = func() map[string]string {
	m := map[string]string{}
	for group, names := range members {
		for _, name := range strings.Fields(names) {
			m[name] = group
		}
	}
	return m
}()

// groupOf is the group of a flag.
func groupOf(f *pflag.Flag) string {
	if g := memberOf[f.Name]; g != "" {
		return g
	}
	if g := f.Annotations[groupKey]; len(g) > 0 {
		return g[0]
	}
	return groupOther
}

type group struct {
	title string
	flags []*pflag.Flag
}

// groupsOf lists the flags of f by group.
func groupsOf(f *pflag.FlagSet) []group {
	by := map[string][]*pflag.Flag{}
	f.VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			by[groupOf(f)] = append(by[groupOf(f)], f)
		}
	})
	var all []group
	for _, title := range groupOrder {
		flags := by[title]
		if len(flags) == 0 {
			continue
		}
		order := strings.Fields(members[title])
		rank := func(f *pflag.Flag) int {
			if i := slices.Index(order, f.Name); i >= 0 {
				return i
			}
			return 1 << 10
		}
		slices.SortStableFunc(flags, func(a, b *pflag.Flag) int { return rank(a) - rank(b) })
		all = append(all, group{title, flags})
	}
	return all
}

// hide leaves flags of those names out of help texts: the command is made of another one,
// to which they mean something.
func hide(f *pflag.FlagSet, names []string) {
	for _, name := range names {
		if x := f.Lookup(name); x != nil {
			x.Hidden = true
		}
	}
}

// refuse returns an error if the command line has one of these flags. From elsewhere they
// are for other commands.
func refuse(f *pflag.FlagSet, names []string, why string) error {
	for _, name := range names {
		if x := f.Lookup(name); x != nil && x.Changed && len(x.Annotations[fromKey]) == 0 {
			return fmt.Errorf("--%s = %v: must be left out %s", name, x.Value, why)
		}
	}
	return nil
}

// Help texts are as wide as the narrowest terminal in use.
const (
	helpWidth  = 80
	helpIndent = 26 // of what is said about a flag
	fewFlags   = 6  // are not split into groups
)

// usage is the part of a help text that lists flags and commands.
func usage(cmd *cobra.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage:\n")
	if cmd.Runnable() && !cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s\n", cmd.UseLine())
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "  %s COMMAND\n\nCommands:\n", cmd.CommandPath())
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() || c.Name() == "help" {
				fmt.Fprintf(&b, "  %-12s%s\n", c.Name(), strings.Join(wrap(c.Short, helpWidth-14), "\n"+strings.Repeat(" ", 14)))
			}
		}
	}
	if cmd.HasExample() {
		fmt.Fprintf(&b, "\nExamples:\n%s\n", strings.Trim(cmd.Example, "\n"))
	}
	groups := groupsOf(cmd.Flags())
	n := 0
	for _, g := range groups {
		n += len(g.flags)
	}
	if n <= fewFlags {
		var all []*pflag.Flag
		for _, g := range groups {
			all = append(all, g.flags...)
		}
		groups = []group{{"Flags", all}}
	}
	for _, g := range groups {
		fmt.Fprintf(&b, "\n%s:\n", g.title)
		for _, f := range g.flags {
			b.WriteString(flagHelp(f))
		}
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "\n\"%s COMMAND --help\" says more.\n", cmd.CommandPath())
	} else if cmd.HasParent() {
		fmt.Fprintf(&b, "\nExit statuses: see \"%s --help\".\n", cmd.Root().Name())
	}
	return b.String()
}

func flagHelp(f *pflag.Flag) string {
	left := "      --" + f.Name
	if f.Shorthand != "" {
		left = "  -" + f.Shorthand + ", --" + f.Name
	}
	kind, text := pflag.UnquoteUsage(f)
	if kind != "" {
		left += " " + kind
	}
	if d := f.DefValue; d != "" && d != "false" && d != "[]" && d != "0" && !strings.Contains(text, "(default") {
		text += " (default " + d + ")"
	}
	lines := wrap(text, helpWidth-helpIndent)
	pad := strings.Repeat(" ", helpIndent)
	if len(left)+2 <= helpIndent {
		return left + pad[len(left):] + strings.Join(lines, "\n"+pad) + "\n"
	}
	return left + "\n" + pad + strings.Join(lines, "\n"+pad) + "\n"
}

// reflowed makes the paragraphs of a text as wide as help texts are. Lines that begin
// with a space are left as they are.
func reflowed(text string) string {
	var lines, paragraph []string
	end := func() {
		if len(paragraph) > 0 {
			lines = append(lines, wrap(strings.Join(paragraph, " "), helpWidth)...)
			paragraph = nil
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, " \n")
		if line != "" && line[0] != ' ' {
			paragraph = append(paragraph, line)
			continue
		}
		end()
		lines = append(lines, line)
	}
	end()
	return strings.Join(lines, "\n")
}

// wrap breaks a text into lines of at most width letters.
func wrap(s string, width int) []string {
	var lines []string
	line, n := "", 0
	for _, word := range strings.Fields(s) {
		w := len([]rune(word))
		if n > 0 && n+1+w > width {
			lines = append(lines, line)
			line, n = "", 0
		}
		if n > 0 {
			line += " "
			n++
		}
		line += word
		n += w
	}
	return append(lines, line)
}
