package ring

import (
	"reflect"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/pad"
)

// Fields with different writers are at least pad.Size apart, and nothing that
// lies behind the ring in memory is near the consumer's fields. A new field
// must be entered here.
func TestLayout(t *testing.T) {
	const gap = "_"
	blocks := map[string]string{
		"slots": "read-mostly", "seq": "read-mostly", "mask": "read-mostly", "size": "read-mostly",
		"capacity": "read-mostly", "slack": "read-mostly", "next": "read-mostly",
		"tail":  "producers",
		"freed": "credit",
		"head":  "consumer", "runEnd": "consumer", "lent": "consumer", "credited": "consumer",
	}
	check := func(typ reflect.Type) {
		last, end, seen := "", uintptr(0), map[string]bool{}
		for i := range typ.NumField() {
			f := typ.Field(i)
			if f.Name == gap {
				continue
			}
			b, ok := blocks[f.Name]
			require.True(t, ok, "which block is %s in?", f.Name)
			if b != last {
				require.False(t, seen[b], "block %s is in two pieces", b)
				if last != "" {
					require.GreaterOrEqual(t, f.Offset-end, uintptr(pad.Size), "%s after block %s", f.Name, last)
				}
				last, seen[b] = b, true
			}
			end = f.Offset + f.Type.Size()
		}
		require.Len(t, seen, 4)
		require.GreaterOrEqual(t, typ.Size()-end, uintptr(pad.Size))
	}
	check(reflect.TypeFor[MPSC[byte]]())
	check(reflect.TypeFor[MPSC[[7]uint64]]())
	require.Equal(t, 128, pad.Size)
	// What everybody loads of a chain is not where Resize's lock is, nor near
	// what lies behind it in memory.
	var c Chain[byte]
	require.GreaterOrEqual(t, unsafe.Offsetof(c.mu)-unsafe.Offsetof(c.out)-unsafe.Sizeof(c.out), uintptr(pad.Size))
	require.GreaterOrEqual(t, unsafe.Sizeof(c)-unsafe.Offsetof(c.mu)-unsafe.Sizeof(c.mu), uintptr(pad.Size))
}
