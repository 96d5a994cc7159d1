//go:build linux && (amd64 || arm64)

package uring

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/atom"
)

// The structs have the sizes and offsets of the kernel's.
func TestLayouts(t *testing.T) {
	var p params
	var e sqe
	for name, c := range map[string][2]uintptr{
		"params":           {unsafe.Sizeof(p), 120},
		"params.sqOff":     {unsafe.Offsetof(p.sqOff), 40},
		"params.cqOff":     {unsafe.Offsetof(p.cqOff), 80},
		"sqe":              {unsafe.Sizeof(e), 64},
		"sqe.off":          {unsafe.Offsetof(e.off), 8},
		"sqe.addr":         {unsafe.Offsetof(e.addr), 16},
		"sqe.opFlags":      {unsafe.Offsetof(e.opFlags), 28},
		"sqe.userData":     {unsafe.Offsetof(e.userData), 32},
		"sqe.bufIndex":     {unsafe.Offsetof(e.bufIndex), 40},
		"sqe.fileIdx":      {unsafe.Offsetof(e.fileIdx), 44},
		"sqe.addr3":        {unsafe.Offsetof(e.addr3), 48},
		"cqe":              {unsafe.Sizeof(cqe{}), 16},
		"sync cancel":      {unsafe.Sizeof(syncCancel{}), 64},
		"a shared word":    {unsafe.Sizeof(atom.Uint32{}), 4},
		"slot, for caches": {unsafe.Sizeof(slot{}), 24},
	} {
		require.Equal(t, c[1], c[0], name)
	}
}
