package ring

import (
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/pad"
)

// Fields with different writers lie in different blocks of pad.Size bytes, which
// nothing else shares: the allocator aligns rings to such blocks. A new field must
// be entered here.
func TestLayout(t *testing.T) {
	blocks := map[string]uintptr{
		"slots": 0, "seq": 0, "mask": 0, "size": 0, "capacity": 0, "slack": 0, "next": 0, "freed": 0,
		"tail": 1,
		"head": 2, "runEnd": 2, "lent": 2, "credited": 2,
	}
	check := func(typ reflect.Type) {
		seen := 0
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Name == "_" {
				continue
			}
			b, ok := blocks[f.Name]
			require.True(t, ok, "which block is %s in?", f.Name)
			require.Equal(t, b, f.Offset/pad.Size, f.Name)
			require.Equal(t, b, (f.Offset+f.Type.Size()-1)/pad.Size, f.Name)
			seen++
		}
		require.Len(t, blocks, seen)
		require.EqualValues(t, 3*pad.Size, typ.Size())
	}
	check(reflect.TypeFor[MPSC[byte]]())
	check(reflect.TypeFor[MPSC[[7]uint64]]())
	require.Equal(t, 128, pad.Size)
	var rings []*MPSC[byte]
	for range 1000 {
		r, err := New[byte](1)
		require.NoError(t, err)
		rings = append(rings, r)
		require.Zero(t, reflect.ValueOf(r).Pointer()%pad.Size)
	}
	runtime.KeepAlive(rings)
}
