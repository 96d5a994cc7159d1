package result

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/jsonschema-go/jsonschema"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/bench"
)

var update = flag.Bool("update", false, "write schema.json as the types are now")

// schema.json is what the types say, descriptions included.
func TestSchemaIsThatOfTheTypes(t *testing.T) {
	b, err := json.MarshalIndent(newSchemaMaker(t).file(), "", "  ")
	require.NoError(t, err)
	b = append(b, '\n')
	if *update {
		require.NoError(t, os.WriteFile("schema.json", b, 0o644))
	}
	got, err := os.ReadFile("schema.json")
	require.NoError(t, err)
	assert.Equal(t, string(b), string(got), "the types have changed: go test ./bench/result -run Schema -update")
}

func TestSchemaAcceptsAndRefuses(t *testing.T) {
	s := &jsonschema.Schema{}
	require.NoError(t, json.Unmarshal(JSONSchema(), s))
	r, err := s.Resolve(nil)
	require.NoError(t, err)
	tree := func(f *File) map[string]any {
		b, err := json.Marshal(f)
		require.NoError(t, err)
		var v map[string]any
		require.NoError(t, json.Unmarshal(b, &v))
		return v
	}
	f := measured(t)
	require.NoError(t, r.Validate(tree(f)))
	f.Cells = []*File{measured(t)}
	require.NoError(t, r.Validate(tree(f)))
	require.NoError(t, r.Validate(tree(&File{Schema: Schema})), "empty lists may be null")

	for name, spoil := range map[string]func(map[string]any){
		"unknown field":      func(v map[string]any) { v["more"] = 1 },
		"a field is missing": func(v map[string]any) { delete(v, "settings") },
		"another kind":       func(v map[string]any) { v["command"] = 7 },
		"another schema":     func(v map[string]any) { v["schema"] = Schema + 1 },
		"deep unknown field": func(v map[string]any) { v["reps"].([]any)[0].(map[string]any)["results"].(map[string]any)["x"] = 1 },
		"a negative count": func(v map[string]any) {
			v["reps"].([]any)[0].(map[string]any)["results"].(map[string]any)["operations"] = -1
		},
		"a cell of something": func(v map[string]any) { v["cells"] = []any{map[string]any{"schema": Schema}} },
	} {
		v := tree(measured(t))
		spoil(v)
		assert.Error(t, r.Validate(v), name)
	}
}

// schemaMaker makes schemas of types; struct types are definitions, so that they
// may contain themselves.
type schemaMaker struct {
	t    *testing.T
	defs map[string]*jsonschema.Schema
	docs map[string]map[string]string // by package and type: of fields, and of "" itself
}

func newSchemaMaker(t *testing.T) *schemaMaker {
	return &schemaMaker{t: t, defs: map[string]*jsonschema.Schema{}, docs: map[string]map[string]string{}}
}

func (m *schemaMaker) file() *jsonschema.Schema {
	root := m.of(reflect.TypeFor[File]())
	root.Schema = "https://json-schema.org/draft/2020-12/schema"
	root.Title = "A result of evdbench"
	version := any(Schema)
	m.defs["result.File"].Properties["schema"].Const = &version
	root.Defs = m.defs
	return root
}

func (m *schemaMaker) of(t reflect.Type) *jsonschema.Schema {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return &jsonschema.Schema{Type: "string", Format: "date-time"}
	case t.Kind() == reflect.Pointer:
		return m.of(t.Elem())
	case t.Kind() == reflect.Slice:
		return &jsonschema.Schema{Type: "array", Items: m.of(t.Elem())}
	case t.Kind() == reflect.Array:
		n := t.Len()
		return &jsonschema.Schema{Type: "array", Items: m.of(t.Elem()), MinItems: &n, MaxItems: &n}
	case t.Kind() == reflect.Map:
		return &jsonschema.Schema{Type: "object", AdditionalProperties: m.of(t.Elem())}
	case t.Kind() != reflect.Struct:
		s, err := jsonschema.ForType(t, nil)
		require.NoError(m.t, err)
		return s
	}
	name := t.String()
	if m.defs[name] == nil {
		s := &jsonschema.Schema{Type: "object", Properties: map[string]*jsonschema.Schema{}, AdditionalProperties: &jsonschema.Schema{Not: &jsonschema.Schema{}}}
		m.defs[name] = s // before the fields, which may be of this type
		if t == reflect.TypeFor[bench.Hist]() {
			m.hist(s)
		} else {
			m.fields(s, t)
		}
	}
	return &jsonschema.Schema{Ref: "#/$defs/" + name}
}

func (m *schemaMaker) fields(s *jsonschema.Schema, t reflect.Type) {
	docs := m.comments(t)
	if s.Description == "" {
		s.Description = docs[""]
	}
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-":
			continue
		case name == "" && f.Anonymous: // its fields are this one's
			m.fields(s, f.Type)
			continue
		}
		if name == "" {
			name = f.Name
		}
		p := m.of(f.Type)
		if options == "" {
			s.Required = append(s.Required, name)
			switch f.Type.Kind() {
			case reflect.Slice, reflect.Map, reflect.Pointer:
				p = orNull(p)
			}
		}
		p.Description = docs[f.Name]
		s.Properties[name] = p
		s.PropertyOrder = append(s.PropertyOrder, name)
	}
}

// orNull allows what an empty list or a nil pointer is written as.
func orNull(s *jsonschema.Schema) *jsonschema.Schema {
	if s.Ref != "" {
		return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{s, {Type: "null"}}}
	}
	s.Types, s.Type = []string{s.Type, "null"}, ""
	return s
}

// hist is what Hist.MarshalJSON writes.
func (m *schemaMaker) hist(s *jsonschema.Schema) {
	s.Description = "A whole population of times in ns. hdr is the V2 compressed encoding of HdrHistogram, in base64; the others are what that rounds."
	s.Properties["hdr"] = &jsonschema.Schema{Type: "string", ContentEncoding: "base64"}
	s.Required = []string{"hdr"}
	for _, name := range []string{"n", "sum_ns", "min_ns", "max_ns", "clamped"} {
		s.Properties[name] = &jsonschema.Schema{Type: "integer"}
		s.Required = append(s.Required, name)
	}
	s.PropertyOrder = s.Required
}

// comments reads what the source says about a type and its fields.
func (m *schemaMaker) comments(t reflect.Type) map[string]string {
	key := t.PkgPath() + "." + t.Name()
	if m.docs[key] != nil {
		return m.docs[key]
	}
	dir := filepath.Join("..", "..", strings.TrimPrefix(t.PkgPath(), "github.com/evdengine/evd"))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	require.NoError(m.t, err)
	m.docs[key] = map[string]string{} // a type with no comment is asked for once too
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		require.NoError(m.t, err)
		for _, d := range f.Decls {
			g, _ := d.(*ast.GenDecl)
			if g == nil || g.Tok != token.TYPE {
				continue
			}
			for _, spec := range g.Specs {
				ts := spec.(*ast.TypeSpec)
				st, _ := ts.Type.(*ast.StructType)
				if st == nil {
					continue
				}
				doc := map[string]string{"": oneLine(g.Doc.Text())}
				for _, field := range st.Fields.List {
					text := field.Doc.Text()
					if text == "" {
						text = field.Comment.Text()
					}
					for _, n := range field.Names {
						doc[n.Name] = oneLine(text)
					}
				}
				m.docs[fmt.Sprintf("%s.%s", t.PkgPath(), ts.Name.Name)] = doc
			}
		}
	}
	return m.docs[key]
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
