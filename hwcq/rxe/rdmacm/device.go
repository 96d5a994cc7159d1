//go:build linux && (amd64 || arm64)

package rdmacm

import (
	"encoding/hex"
	"fmt"
	"io/fs"
	"strings"
)

// deviceOf finds the RDMA device with a node GUID, in sysfs.
func deviceOf(sys fs.FS, guid [8]byte) (string, error) {
	const dir = "class/infiniband"
	devs, err := fs.ReadDir(sys, dir)
	if err != nil {
		return "", fmt.Errorf("list devices: %w", err)
	}
	for _, d := range devs {
		text, err := fs.ReadFile(sys, dir+"/"+d.Name()+"/node_guid")
		if err != nil {
			continue // just removed
		}
		b, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(text)), ":", ""))
		if err == nil && string(b) == string(guid[:]) {
			return d.Name(), nil
		}
	}
	return "", fmt.Errorf("%w: no device has node GUID %x", ErrCorrupt, guid)
}
