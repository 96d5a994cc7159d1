package mock

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

func TestParseFaults(t *testing.T) {
	f, err := ParseFaults(" lose=3  delay=2+4/p0.25@2ms error=p1@13 remove=900 armerror=1+2 ")
	require.NoError(t, err)
	require.Equal(t, Faults{
		LoseEvent: Once(3), DelayEvent: Rule{First: 2, Count: 4, Prob: 0.25}, Delay: 2 * time.Millisecond,
		ErrorWC: Always(), ErrorStatus: hwcq.StatusRNRRetryExcErr, Remove: Once(900), ArmError: Rule{First: 1, Count: 2},
	}, f)
	require.Equal(t, "lose=3 delay=2+4/p0.25@2ms armerror=1+2 error=p1@13 remove=900", f.String())
	f, err = ParseFaults("")
	require.NoError(t, err)
	require.Equal(t, Faults{}, f)
	require.Empty(t, f.String())
	for script, names := range map[string][]string{
		"loose=1":                       {`"loose=1"`, "lose, duplicate"},
		"lose":                          {`"lose"`, "N+COUNT"},
		"lose=0":                        {`"lose=0"`},
		"lose=1+0":                      {`"lose=1+0"`},
		"lose=-1":                       {`"lose=-1"`},
		"lose=p0":                       {`"lose=p0"`, "0 < PROB <= 1"},
		"lose=p1.5":                     {`"lose=p1.5"`},
		"lose=pNaN":                     {`"lose=pNaN"`},
		"lose=1/2":                      {`"lose=1/2"`},
		"lose=/p0.5":                    {`"lose=/p0.5"`},
		"lose=1 lose=2":                 {`"lose=2"`, "once"},
		"lose=1@2ms":                    {`"lose=1@2ms"`, "nothing after an @"},
		"delay=1@2":                     {`"delay=1@2"`, "duration"},
		"delay=1@-2s":                   {`"delay=1@-2s"`},
		"error=1@22":                    {`"error=1@22"`, "1..21"},
		"error=1@0":                     {`"error=1@0"`},
		"error=1@flush":                 {`"error=1@flush"`},
		"error=1@1@1":                   {`"error=1@1@1"`},
		"remove=1 =":                    {`"="`},
		"remove=9999999999999999999999": {"remove"},
	} {
		f, err := ParseFaults(script)
		require.ErrorIs(t, err, param.ErrInvalid, script)
		require.Equal(t, Faults{}, f)
		for _, n := range names {
			require.ErrorContains(t, err, n, script)
		}
	}
}

// Whatever the script: an error, or faults whose script means the same.
func FuzzParseFaults(f *testing.F) {
	for _, s := range []string{"", "lose=3", "delay=p0.01@2ms error=5+7/p1e-9@12", "remove=900 early=1", "overrun=p1 =", "armerror=18446744073709551615+2"} {
		f.Add(s, uint64(7))
	}
	f.Fuzz(func(t *testing.T, script string, n uint64) {
		a, err := ParseFaults(script)
		if err != nil {
			require.ErrorIs(t, err, param.ErrInvalid)
			return
		}
		b, err := ParseFaults(a.String())
		require.NoError(t, err, a.String())
		require.Equal(t, a.String(), b.String())
		pa, pb := a.parts(), b.parts()
		for i := range pa {
			require.Equal(t, pa[i].rule.hit(1, 2, n), pb[i].rule.hit(1, 2, n), pa[i].name)
		}
		require.Equal(t, a.Delay, b.Delay)
	})
}

func ExampleParseFaults() {
	faults, err := ParseFaults("error=2@12 remove=3")
	if err != nil {
		fmt.Println(err)
		return
	}
	cq, _ := New(Config{Seed: 7, Faults: faults})
	for id := range uint64(4) {
		_, err := cq.Complete(hwcq.WC{WRID: id}, false)
		fmt.Println(id, err)
	}
	wcs := make([]hwcq.WC, 4)
	for _, wc := range wcs[:cq.Poll(wcs)] {
		fmt.Println(wc.WRID, wc.Status)
	}
	// Output:
	// 0 <nil>
	// 1 <nil>
	// 2 <nil>
	// 3 hwcq: device removed
	// 0 success
	// 1 transport retry count exceeded
	// 2 success
}

func TestFates(t *testing.T) {
	offer := func(f Faults, fatal bool) (*CQ, []bool) {
		c, err := New(Config{Depth: 8, Faults: f, FatalOverrun: fatal})
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, c.Close()) })
		var stored []bool
		for i := range uint64(5) {
			ok, _ := c.Complete(hwcq.WC{WRID: i}, false)
			stored = append(stored, ok)
		}
		return c, stored
	}
	poll := func(c *CQ) (ids []uint64) {
		wcs := make([]hwcq.WC, 8)
		for _, wc := range wcs[:c.Poll(wcs)] {
			id := wc.WRID
			if wc.Status != hwcq.StatusSuccess {
				id += 100 * uint64(wc.Status)
			}
			ids = append(ids, id)
		}
		return ids
	}

	c, _ := offer(Faults{ErrorWC: Rule{First: 2, Count: 2}, ErrorStatus: hwcq.StatusRemOpErr}, false)
	require.Equal(t, []uint64{0, 1101, 1102, 3, 4}, poll(c))
	require.EqualValues(t, 2, c.Stats().ErrorWCs)

	c, stored := offer(Faults{Overrun: Once(2)}, false)
	require.Equal(t, []bool{true, false, true, true, true}, stored)
	require.Equal(t, []uint64{0, 2, 3, 4}, poll(c))
	require.EqualValues(t, 1, c.Overruns())
	require.EqualValues(t, 1, c.Stats().ForcedOverruns)

	c, stored = offer(Faults{Overrun: Once(2)}, true)
	require.Equal(t, []bool{true, false, false, false, false}, stored)
	_, err := c.Arm(false)
	require.ErrorIs(t, err, hwcq.ErrOverrun)

	c, stored = offer(Faults{Remove: Once(3)}, false)
	require.Equal(t, []bool{true, true, true, false, false}, stored)
	require.Equal(t, []uint64{0, 1, 2}, poll(c))
	_, err = c.Arm(false)
	require.ErrorIs(t, err, hwcq.ErrRemoved)
	require.EqualValues(t, 1, c.Stats().Removals)

	// In a batch the first that finds no room ends it.
	c, _ = offer(Faults{}, false)
	c2, err := New(Config{Depth: 8, Faults: Faults{Overrun: Once(3)}})
	require.NoError(t, err)
	n, err := c2.CompleteN(make([]hwcq.WC, 5), false)
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.EqualValues(t, 3, c2.Overruns())
	require.NoError(t, c2.Close())
	_, err = c2.CompleteN(make([]hwcq.WC, 1), false)
	require.ErrorIs(t, err, hwcq.ErrClosed)
	require.Equal(t, []uint64{0, 1, 2, 3, 4}, poll(c))
}

// The event is there, the completion not yet; and after it there is no other.
func TestEarlyEvent(t *testing.T) {
	var c *CQ
	early := false
	c, err := New(Config{Faults: Faults{EarlyEvent: Once(1)}, Hooks: Hooks{Published: func() {
		event, err := c.ev.TryWait()
		early = early || event && err == nil
		_, _ = c.Arm(false)
	}}})
	require.NoError(t, err)
	_, err = c.Arm(false)
	require.NoError(t, err)
	_, err = c.Complete(hwcq.WC{}, false)
	require.NoError(t, err)
	require.True(t, early)
	require.EqualValues(t, 1, c.Stats().EventsEarly)
	require.EqualValues(t, 1, c.Stats().EventsRaised, "the second arm came too late")
	require.NoError(t, c.Close())
}
