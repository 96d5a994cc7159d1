// Package presets has evdbench's saved sets of flags: TOML files whose keys are
// the names of flags, with a section for each command that wants its own.
package presets

import (
	"embed"
	"fmt"
	"path"
	"strings"
)

//go:embed *.toml
var files embed.FS

// Names lists the presets, sorted.
func Names() []string {
	all, err := files.ReadDir(".")
	if err != nil {
		panic(err) // they are embedded
	}
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = strings.TrimSuffix(f.Name(), path.Ext(f.Name()))
	}
	return names
}

// Read returns the TOML text of the preset of that name, one of Names.
func Read(name string) ([]byte, error) {
	b, err := files.ReadFile(name + ".toml")
	if err != nil {
		return nil, fmt.Errorf("preset = %q: must be one of %s", name, strings.Join(Names(), ", "))
	}
	return b, nil
}

// About is the first line of a preset's text, which says what it is for.
func About(name string) string {
	b, _ := Read(name)
	line, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimPrefix(line, "# ")
}
