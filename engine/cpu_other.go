//go:build !linux

package engine

// pin and usableCPUs have nothing to go by here.
func pin(int) (restore func(), err error) { return nil, ErrNotSupported }
func usableCPUs() ([]int, error)          { return nil, ErrNotSupported }
