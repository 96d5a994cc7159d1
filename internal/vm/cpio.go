package vm

import (
	"fmt"
	"io"
)

// cpioWriter writes the "newc" archive that the kernel unpacks as initramfs
// (Documentation/driver-api/early-userspace/buffer-format.rst): a header of
// hexadecimal fields, the name, the data, each padded to 4 bytes.
type cpioWriter struct {
	w   io.Writer
	ino int
	err error
}

const (
	cpioDir  = 0o040755
	cpioFile = 0o100644
	cpioExec = 0o100755
)

// add appends one entry; the first error sticks and is returned by close.
func (c *cpioWriter) add(name string, mode int, data []byte) {
	if c.err != nil {
		return
	}
	c.ino++
	// magic ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor
	// rdevminor namesize check; a time of 0 keeps the archive reproducible.
	hdr := fmt.Sprintf("070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		c.ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name)+1, 0)
	c.write([]byte(hdr+name+"\x00"), 4)
	c.write(data, 4)
}

func (c *cpioWriter) write(b []byte, align int) {
	if c.err != nil {
		return
	}
	if _, c.err = c.w.Write(b); c.err != nil {
		return
	}
	if pad := -len(b) & (align - 1); pad > 0 {
		_, c.err = c.w.Write(make([]byte, pad))
	}
}

func (c *cpioWriter) close() error {
	c.ino = -1 // the trailer has inode 0
	c.add("TRAILER!!!", 0, nil)
	return c.err
}
