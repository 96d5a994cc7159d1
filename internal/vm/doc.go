// Package vm runs one command in a throw-away QEMU guest that has a soft-RoCE
// device (rdma_rxe), and brings back its output and exit status.
//
// The guest is a Debian kernel, an initramfs of busybox and a few modules
// built on the fly, and the host's own root file system, read-only over 9p: a
// program of the host runs in it unchanged, at the same path. Standard output
// and standard error travel over virtio-serial ports, never over the console,
// so that kernel messages cannot mix with them.
//
// [Run] is the entry point; [Fetch] only makes ready; [Diagnose] says what is
// missing. All of them need Linux on amd64 and say so elsewhere.
package vm
