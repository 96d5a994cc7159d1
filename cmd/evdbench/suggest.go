package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// alike is a question to the user who meant one of known; "" if nothing is near.
func alike(word string, known []string, prefix string) string {
	best, least := "", max(1, len(word)/3)+1
	for _, k := range known {
		d := distance(strings.ToLower(word), strings.ToLower(k))
		if strings.HasPrefix(k, word) && len(word) > 1 {
			d = min(d, 1) // it was cut short
		}
		if d < least {
			best, least = k, d
		}
	}
	if best == "" || word == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s%s?", prefix, best)
}

// distance is how many letters must be put in, left out, replaced or swapped with
// the next to make b of a.
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			same := 1
			if a[i] == b[j] {
				same = 0
			}
			row[j+1] = min(row[j]+1, last[j+1]+1, last[j]+same)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

func contains(list []string, s string) bool { return slices.Contains(list, s) }

// flagError words what is wrong with a flag as the library does, and helps with
// one that there is not.
func flagError(cmd *cobra.Command, err error) error {
	var iv *pflag.InvalidValueError
	if errors.As(err, &iv) {
		return fmt.Errorf("--%s = %q: %w", iv.GetFlag().Name, iv.GetValue(), iv.Unwrap())
	}
	var none *pflag.NotExistError
	if !errors.As(err, &none) {
		return err
	}
	name := none.GetSpecifiedName()
	if none.GetSpecifiedShortnames() != "" {
		return err
	}
	for _, c := range cmd.Root().Commands() {
		if c.Flags().Lookup(name) != nil {
			return fmt.Errorf("%w: it is one of %s", err, c.CommandPath())
		}
	}
	return fmt.Errorf("%w%s", err, alike(name, everyFlag(cmd), "--"))
}

// noSuchCommand refuses arguments of a command that only has subcommands.
func noSuchCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	_, names := child(cmd, "")
	return fmt.Errorf("unknown command %q for %q%s", args[0], cmd.CommandPath(), alike(args[0], names, ""))
}
