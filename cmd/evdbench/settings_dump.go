package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/evdengine/evd/bench"
)

// dump writes the settings of cmd as a TOML file: what was given as keys, with
// where it is from, and the other flags as comments, which are as they would be.
// Flags named in without are left out.
func dump(w io.Writer, cmd *cobra.Command, without ...string) error {
	var b strings.Builder
	fmt.Fprintf(&b, "# evdbench %s, %s: %s --config THIS_FILE\n", bench.Version(), cmd.Name(), cmd.CommandPath())
	// A section, so that the file says which command it is for.
	fmt.Fprintf(&b, "[%s]\n", strings.Join(strings.Fields(cmd.CommandPath())[1:], "."))
	var err error
	for _, g := range groupsOf(cmd.Flags()) {
		if g.title == groupConfig {
			continue
		}
		fmt.Fprintf(&b, "\n# %s\n", g.title)
		for _, f := range g.flags {
			if slices.Contains(without, f.Name) {
				continue
			}
			text, e := keyValue(f)
			if e != nil {
				err = e
			}
			b.WriteString(text)
		}
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, b.String())
	return err
}

// keyValue is the line of one flag.
func keyValue(f *pflag.Flag) (string, error) {
	values := valuesOf(f)
	if !f.Changed || len(values) == 0 || values[0] == "" {
		line := "# " + f.Name
		if f.DefValue != "" && f.DefValue != "[]" {
			line += " = " + quoted(f, f.DefValue)
		}
		return line + "\n", nil
	}
	m := map[string]any{f.Name: typed(f, values[0])}
	if repeatable(f) {
		m[f.Name] = values
	}
	b, err := toml.Marshal(m)
	if err != nil {
		return "", fmt.Errorf("--%s: %w", f.Name, err)
	}
	line := strings.TrimSuffix(string(b), "\n")
	if from := f.Annotations[fromKey]; len(from) > 0 {
		line += " # from " + from[0]
	}
	return line + "\n", nil
}

// typed is a value as TOML has it: yes or no, a whole number, else a text.
func typed(f *pflag.Flag, value string) any {
	if f.Value.Type() == "bool" {
		return value == "true"
	}
	if n, err := strconv.ParseInt(value, 10, 64); err == nil && strconv.FormatInt(n, 10) == value {
		return n
	}
	return value
}

func quoted(f *pflag.Flag, value string) string {
	if s, text := typed(f, value).(string); text {
		return strconv.Quote(s)
	}
	return value
}

// plan says what a command would do, with which settings, and where the result would go.
func plan(cmd *cobra.Command, what, format string, out outDir) error {
	var b strings.Builder
	b.WriteString(what + "\n")
	put := func(title, text string) {
		if text != "" {
			fmt.Fprintf(&b, "%-12s  %s\n", title, text)
		}
	}
	for _, g := range groupsOf(cmd.Flags()) {
		var given []string
		for _, f := range g.flags {
			if v := strings.Join(valuesOf(f), ","); f.Changed && v != "" && f.Name != "dry-run" {
				text := "--" + f.Name + "=" + v
				if from := f.Annotations[fromKey]; len(from) > 0 {
					text += " (" + from[0] + ")"
				}
				given = append(given, text)
			}
		}
		put(strings.ToLower(g.title), strings.Join(given, ", "))
	}
	put("result", "on standard output, as "+format)
	if out.dir != "" {
		put("", "and in "+out.dir)
	}
	_, err := io.WriteString(cmd.OutOrStdout(), b.String())
	return failed(err)
}

// until is what ends a run.
func until(c bench.Config) string {
	var all []string
	if c.Count > 0 {
		all = append(all, fmt.Sprintf("%d operations", c.Count))
	}
	if c.Duration > 0 {
		all = append(all, c.Duration.String())
	}
	return strings.Join(all, " or ")
}

func times(reps int) string {
	if reps > 1 {
		return fmt.Sprintf("%d times", reps)
	}
	return "once"
}
