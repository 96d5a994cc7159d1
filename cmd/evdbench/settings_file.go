package main

import (
	"bytes"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
	"github.com/spf13/cobra"

	"github.com/evdengine/evd/bench/result"
)

// fromFile reads the settings for cmd from a TOML file or a result. All of the
// file is checked, what is for other commands too.
func fromFile(cmd *cobra.Command, name string, b []byte) ([]setting, error) {
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) {
		return fromResult(cmd, name, b)
	}
	var tree map[string]any
	if err := toml.Unmarshal(b, &tree); err != nil {
		var d *toml.DecodeError
		if errors.As(err, &d) {
			line, _ := d.Position()
			return nil, fmt.Errorf("%s:%d: %s", name, line, strings.TrimPrefix(d.Error(), "toml: "))
		}
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r := &tomlReader{name: name, lines: linesOf(b), known: everySetting(cmd.Root()), found: map[string]setting{}}
	r.table(cmd.Root(), cmd, tree, "")
	sort.SliceStable(r.errs, func(i, j int) bool { return r.errs[i].line < r.errs[j].line })
	if len(r.errs) > 0 {
		errs := make([]error, len(r.errs))
		for i, e := range r.errs {
			errs[i] = e.err
		}
		return nil, errors.Join(errs...)
	}
	all := make([]setting, 0, len(r.found))
	for _, s := range r.found {
		all = append(all, s)
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	return all, nil
}

// tomlReader collects the settings of a file.
type tomlReader struct {
	name  string
	lines map[string]int // of each dotted key
	known []string       // flags of all commands
	found map[string]setting
	errs  []lineError
}

type lineError struct {
	line int
	err  error
}

// table reads the table of command at: the keys of the top level are for all
// commands that have such a flag, those of a section for the one it names, and
// before the others.
func (r *tomlReader) table(at, cmd *cobra.Command, t map[string]any, path string) {
	keys := make([]string, 0, len(t))
	for key := range t {
		keys = append(keys, key)
	}
	// Sections last: what they say is to replace what the top level says.
	section := func(key string) bool { _, ok := t[key].(map[string]any); return ok }
	sort.Slice(keys, func(i, j int) bool {
		a, b := section(keys[i]), section(keys[j])
		if a != b {
			return b
		}
		return keys[i] < keys[j]
	})
	for _, key := range keys {
		whole := key
		if path != "" {
			whole = path + "." + key
		}
		if sub, ok := t[key].(map[string]any); ok {
			c, names := child(at, key)
			if c == nil || !configurable(c) {
				r.bad(whole, "no such section: it must be a command that measures%s", alike(key, names, ""))
				continue
			}
			r.table(c, cmd, sub, whole)
			continue
		}
		r.key(at, cmd, key, whole, t[key])
	}
}

func (r *tomlReader) key(at, cmd *cobra.Command, key, whole string, value any) {
	for _, c := range configFlags {
		if key == c {
			r.bad(whole, "must be given on the command line, not in a file")
			return
		}
	}
	known := r.known
	if at.HasParent() {
		known = everySetting(at)
	}
	if !contains(known, key) {
		what := "no such setting"
		if at.HasParent() {
			what = at.CommandPath() + " has no such flag"
		}
		r.bad(whole, "%s%s", what, alike(key, known, ""))
		return
	}
	flag := cmd.Flags().Lookup(key)
	var values []string
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	for _, v := range list {
		s, ok := scalar(v)
		if !ok {
			r.bad(whole, "must be a text, a number, true or false, or a list of them")
			return
		}
		values = append(values, s)
	}
	if flag == nil || at.HasParent() && at != cmd {
		return // of another command
	}
	if isList && !repeatable(flag) {
		values = []string{strings.Join(values, ",")}
	}
	r.found[key] = setting{key, values, fmt.Sprintf("%s:%d", r.name, r.lines[whole])}
}

func (r *tomlReader) bad(key, format string, args ...any) {
	line := r.lines[key]
	r.errs = append(r.errs, lineError{line, fmt.Errorf("%s:%d: %s: %s", r.name, line, key, fmt.Sprintf(format, args...))})
}

// scalar writes a value as it would be given on the command line.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}

func child(c *cobra.Command, name string) (sub *cobra.Command, names []string) {
	for _, s := range c.Commands() {
		if s.Name() == name {
			sub = s
		}
		if s.IsAvailableCommand() && s.Name() != "completion" {
			names = append(names, s.Name())
		}
	}
	return sub, names
}

// linesOf finds the line of each key and section of a TOML text that is sound.
func linesOf(b []byte) map[string]int {
	lines := map[string]int{}
	p := unstable.Parser{}
	p.Reset(b)
	section := ""
	for p.NextExpression() {
		e := p.Expression()
		path := section
		if e.Kind != unstable.KeyValue {
			path = ""
		}
		line := 0
		for it := e.Key(); it.Next(); {
			k := it.Node()
			if path != "" {
				path += "."
			}
			path += string(k.Data)
			line = p.Shape(k.Raw).Start.Line
			if lines[path] == 0 {
				lines[path] = line
			}
		}
		if e.Kind != unstable.KeyValue {
			section = path
		}
	}
	return lines
}

// fromResult reads the settings of a measurement.
func fromResult(cmd *cobra.Command, name string, b []byte) ([]setting, error) {
	f, err := result.Read(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	var all []setting
	var errs []error
	for key, value := range f.Settings {
		flag := cmd.Flags().Lookup(key)
		if flag == nil {
			errs = append(errs, fmt.Errorf("%s: it is a result of %s, and %s has no flag --%s", name, f.Command, cmd.CommandPath(), key))
			continue
		}
		values := []string{value}
		if repeatable(flag) {
			values = strings.Split(value, "\n")
		}
		all = append(all, setting{key, values, name + ": settings." + key})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	sort.Slice(errs, func(i, j int) bool { return errs[i].Error() < errs[j].Error() })
	return all, errors.Join(errs...)
}
