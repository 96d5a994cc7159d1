package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench/legend"
	"github.com/evdengine/evd/bench/presets"
	"github.com/evdengine/evd/bench/result"
)

func newExplain() *cobra.Command {
	schema := false
	cmd := &cobra.Command{
		Use:   "explain [COLUMN|FLAG|TERM]",
		Short: "Say what a column, a flag or a term means, and how to read it",
		Long: `explain says what a column or a line of a report, a flag, a preset or a term
means, its unit, and how to read it. Without an argument it lists all there is.

With --schema it prints the JSON Schema of the results that -o json and --out
write.`,
		Example: `  evdbench explain p99
  evdbench explain max-lag
  evdbench explain --schema`,
		Args: func(_ *cobra.Command, args []string) error {
			if schema && len(args) > 0 {
				return fmt.Errorf("--schema = true: must be left out with a term: %q", args[0])
			}
			return nil
		},
		ValidArgsFunction: func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return explained(cmd.Root()), cobra.ShellCompDirectiveNoFileComp
		},
	}
	cmd.Flags().BoolVar(&schema, "schema", false, "print the JSON Schema of results")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var text string
		switch {
		case schema:
			text = string(result.JSONSchema())
		case len(args) == 0:
			text = everything(cmd.Root())
		default:
			word := strings.TrimLeft(strings.Join(args, " "), "-")
			text = explanation(cmd.Root(), word)
			if text == "" {
				return fmt.Errorf("nothing is called %q%s", word, alike(word, explained(cmd.Root()), ""))
			}
		}
		_, err := io.WriteString(cmd.OutOrStdout(), text)
		return failed(err)
	}
	return cmd
}

// explained lists all words that explain knows.
func explained(root *cobra.Command) []string {
	_, commands := child(root, "")
	all := slices.Concat(legend.Names(), everyFlag(root), commands, presets.Names(), []string{"exit status"})
	slices.Sort(all)
	return slices.Compact(all)
}

// explanation is all there is about a word; "" if there is nothing.
func explanation(root *cobra.Command, word string) string {
	var b strings.Builder
	for _, t := range legend.Lookup(word) {
		head := t.Name
		if t.Unit != "" {
			head += " (" + t.Unit + ")"
		}
		if len(t.Also) > 0 {
			head += ", also " + strings.Join(t.Also, ", ")
		}
		paragraph(&b, head, 0)
		paragraph(&b, sentence(t.Means), 4)
		if t.Read != "" {
			paragraph(&b, "How to read it: "+sentence(t.Read), 4)
		}
		if len(t.See) > 0 {
			paragraph(&b, "See also: "+strings.Join(t.See, ", "), 4)
		}
	}
	for _, f := range flagsCalled(root, word) {
		fmt.Fprintf(&b, "--%s, a flag of %s\n", f.flag.Name, strings.Join(f.of, ", "))
		kind, text := pflag.UnquoteUsage(f.flag)
		paragraph(&b, sentence(text), 4)
		if kind != "" {
			paragraph(&b, "Value: "+kind, 4)
		}
		if d := f.flag.DefValue; d != "" && d != "[]" {
			paragraph(&b, "Default: "+d, 4)
		}
		if f.settable {
			paragraph(&b, fmt.Sprintf("Variable: %s; in a file: %s; group: %s", variable(f.flag.Name), f.flag.Name, groupOf(f.flag)), 4)
		}
	}
	if c, _ := child(root, word); c != nil {
		fmt.Fprintf(&b, "%s, a command\n", c.CommandPath())
		paragraph(&b, sentence(c.Short), 4)
		paragraph(&b, fmt.Sprintf("More: %s --help", c.CommandPath()), 4)
	}
	if slices.Contains(presets.Names(), word) {
		text, err := presets.Read(word)
		if err == nil {
			fmt.Fprintf(&b, "%s, a preset\n", word)
			for line := range strings.Lines(string(text)) {
				b.WriteString("    " + line)
			}
		}
	}
	if word == "exit status" || word == "status" {
		b.WriteString(statusText() + "\n")
	}
	return b.String()
}

type flagOf struct {
	flag     *pflag.Flag
	of       []string // commands
	settable bool     // by the environment, and by files
}

// flagsCalled are the flags of that name; one that reads the same everywhere is one.
func flagsCalled(root *cobra.Command, name string) []flagOf {
	var all []flagOf
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if f := c.Flags().Lookup(name); f != nil && !f.Hidden && c.Name() != "help" && c.Name() != "completion" {
			i := slices.IndexFunc(all, func(o flagOf) bool { return o.flag.Usage == f.Usage || name == "help" })
			if i < 0 {
				all = append(all, flagOf{flag: f})
				i = len(all) - 1
			}
			all[i].settable = all[i].settable || configurable(c) && name != "help"
			all[i].of = append(all[i].of, strings.TrimPrefix(c.CommandPath(), root.Name()+" "))
		}
		for _, s := range c.Commands() {
			if s.Name() != "completion" {
				walk(s)
			}
		}
	}
	walk(root)
	return all
}

// everything lists all terms, a line or two each.
func everything(root *cobra.Command) string {
	var b strings.Builder
	topic := ""
	for _, t := range legend.Terms() {
		if t.Topic != topic {
			topic = t.Topic
			fmt.Fprintf(&b, "%s%s\n", map[bool]string{true: "\n"}[b.Len() > 0], strings.ToUpper(topic))
		}
		name := t.Name
		if t.Unit != "" && !strings.HasSuffix(name, "("+t.Unit+")") {
			name += " (" + t.Unit + ")"
		}
		entry(&b, name, t.Means)
	}
	b.WriteString("\nFLAGS\n")
	for _, name := range everyFlag(root) {
		for _, f := range flagsCalled(root, name) {
			_, text := pflag.UnquoteUsage(f.flag)
			entry(&b, "--"+name, text)
		}
	}
	b.WriteString("\nPRESETS\n")
	for _, name := range presets.Names() {
		entry(&b, name, presets.About(name))
	}
	b.WriteString("\n" + statusText() + "\n")
	return b.String()
}

func entry(b *strings.Builder, name, text string) {
	left := "  " + name
	pad := strings.Repeat(" ", helpIndent)
	lines := strings.Join(wrap(text, helpWidth-helpIndent), "\n"+pad)
	if len(left)+2 <= helpIndent {
		b.WriteString(left + pad[len(left):] + lines + "\n")
		return
	}
	b.WriteString(left + "\n" + pad + lines + "\n")
}

func paragraph(b *strings.Builder, text string, indent int) {
	pad := strings.Repeat(" ", indent)
	b.WriteString(pad + strings.Join(wrap(text, helpWidth-indent), "\n"+pad) + "\n")
}

// sentence makes one of a text that is none yet.
func sentence(s string) string {
	if len(s) > 1 && s[1] >= 'a' && s[1] <= 'z' || strings.HasPrefix(s, "a ") { // not p99
		s = strings.ToUpper(s[:1]) + s[1:]
	}
	return s + "."
}
