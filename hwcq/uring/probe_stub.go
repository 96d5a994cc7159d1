//go:build !linux || !(amd64 || arm64)

package uring

// Probe says that nothing can be used.
func Probe() Features {
	f := Features{why: errPlatform}
	for i := range f.has {
		f.has[i] = No
	}
	for i := range f.ops {
		f.ops[i] = No
	}
	return f
}
