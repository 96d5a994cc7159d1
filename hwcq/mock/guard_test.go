//go:build race || invariants

package mock

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/evdengine/evd/hwcq"
)

func TestGuards(t *testing.T) {
	c := open(t, Config{})
	_, _ = c.Complete(hwcq.WC{}, false)
	c.pol.guard.enter("test") // somebody is in Poll
	assert.PanicsWithValue(t, "mock: "+rulePoll, func() { c.Poll(make([]hwcq.WC, 1)) })
	c.pol.guard.leave()
	assert.Equal(t, 1, c.Poll(make([]hwcq.WC, 1)))

	c.ev.guard.enter("test") // somebody is in Wait
	assert.PanicsWithValue(t, "mock: "+ruleWait, func() { _, _ = c.Events().TryWait() })
	assert.PanicsWithValue(t, "mock: "+ruleWait, func() { _, _ = c.Events().Wait() })
	c.ev.guard.leave()
	_, err := c.Events().TryWait()
	assert.NoError(t, err)
}
