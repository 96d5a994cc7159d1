//go:build !linux

package bench

func kernelRelease() string { return "unknown" }

func cpuModel() string { return "unknown" }

func thisHost(string) Host { return Host{} }
