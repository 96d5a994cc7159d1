package result

import _ "embed"

//go:generate go test -run Schema -update .

//go:embed schema.json
var schema []byte

// JSONSchema returns the JSON Schema (draft 2020-12) of what File.JSON writes. It
// allows no field that the types do not have.
func JSONSchema() []byte { return append([]byte(nil), schema...) }
