package bench

import (
	"os"
	"strings"

	"github.com/evdengine/evd/internal/hostinfo"
)

func kernelRelease() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	return modelFrom(string(b))
}

// modelFrom finds the model in /proc/cpuinfo: x86 has a name, arm64 numbers.
func modelFrom(cpuinfo string) string {
	found := map[string]string{}
	for line := range strings.Lines(cpuinfo) {
		k, v, ok := strings.Cut(line, ":")
		if k = strings.TrimSpace(k); ok && found[k] == "" {
			found[k] = strings.TrimSpace(v)
		}
	}
	if m := found["model name"]; m != "" {
		return m
	}
	if p := found["CPU part"]; p != "" {
		return "implementer " + found["CPU implementer"] + " part " + p
	}
	return "unknown"
}

func thisHost(model string) Host { return hostinfo.Root{FS: os.DirFS("/")}.Read(model) }
