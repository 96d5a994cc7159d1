package rxe

import "bytes"

// removes tells whether a message of the kernel's device events says that the device
// node of that name (below /dev) is taken away. Such a message is strings that end with
// a NUL: "remove@PATH", then variables (linux lib/kobject_uevent.c).
func removes(msg []byte, node string) bool {
	if !bytes.HasPrefix(msg, []byte("remove@")) {
		return false
	}
	for v := range bytes.SplitSeq(msg, []byte{0}) {
		if name, ok := bytes.CutPrefix(v, []byte("DEVNAME=")); ok {
			return string(name) == node
		}
	}
	return false
}
