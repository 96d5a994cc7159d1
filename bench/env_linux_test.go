package bench

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestModelFrom(t *testing.T) {
	assert.Equal(t, "AMD EPYC 9654", modelFrom("processor\t: 0\nmodel name\t: AMD EPYC 9654\nflags\t: a b\n\nprocessor\t: 1\nmodel name\t: other\n"))
	assert.Equal(t, "implementer 0x41 part 0xd0c", modelFrom("CPU implementer\t: 0x41\nCPU architecture: 8\nCPU part\t: 0xd0c\n"))
	assert.Equal(t, "unknown", modelFrom(""))
	assert.Equal(t, "unknown", modelFrom("garbage\n:\n"))
}
