// Package legend says what evdbench prints: every column, label and term, with its
// unit and how to read it.
package legend

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"
)

// Term is something that is printed.
type Term struct {
	Name  string   `toml:"name"`
	Also  []string `toml:"also"`  // other spellings
	Topic string   `toml:"-"`     // the file it is of: latency, engine, ..
	Unit  string   `toml:"unit"`  // "": none
	Means string   `toml:"means"` // what it is
	Read  string   `toml:"read"`  // what is good, what to do about it; "": nothing
	See   []string `toml:"see"`   // other terms
}

//go:embed terms/*.toml
var files embed.FS

var load = sync.OnceValue(func() []Term {
	entries, err := files.ReadDir("terms")
	if err != nil {
		panic(err) // they are embedded, and tested
	}
	var all []Term
	for _, e := range entries {
		b, err := files.ReadFile(path.Join("terms", e.Name()))
		if err != nil {
			panic(err)
		}
		var f struct {
			Term []Term `toml:"term"`
		}
		if err := toml.NewDecoder(strings.NewReader(string(b))).DisallowUnknownFields().Decode(&f); err != nil {
			panic(fmt.Sprintf("legend: %s: %v", e.Name(), err))
		}
		for i := range f.Term {
			f.Term[i].Topic = strings.TrimSuffix(e.Name(), ".toml")
		}
		all = append(all, f.Term...)
	}
	return all
})

// Terms lists all terms by topic.
func Terms() []Term { return slices.Clone(load()) }

// Lookup finds the terms of that name or spelling. A word may have several meanings.
func Lookup(word string) []Term {
	var found []Term
	for _, t := range load() {
		if is(t, word) {
			found = append(found, t)
		}
	}
	return found
}

func is(t Term, word string) bool {
	if strings.EqualFold(t.Name, word) {
		return true
	}
	for _, a := range t.Also {
		if strings.EqualFold(a, word) {
			return true
		}
	}
	return false
}

// Names lists all names and spellings, sorted.
func Names() []string {
	var all []string
	for _, t := range load() {
		all = append(all, t.Name)
		all = append(all, t.Also...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
