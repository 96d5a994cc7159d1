// Package threads goes through the threads of this process, on Linux.
package threads
