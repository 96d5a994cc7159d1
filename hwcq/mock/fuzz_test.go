package mock

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/evdengine/evd/hwcq"
)

// FuzzRule asks a rule about any occurrence: the numbered ones are hit, a
// probability of 0 or 1 leaves nothing to chance, and equal questions have equal
// answers.
func FuzzRule(f *testing.F) {
	f.Add(uint64(0), uint64(0), 0.0, uint64(1), uint64(1), uint64(1))
	f.Add(uint64(3), uint64(2), 0.0, uint64(1), uint64(2), uint64(4))
	f.Add(uint64(3), uint64(math.MaxUint64), 0.5, uint64(7), uint64(3), uint64(math.MaxUint64))
	f.Add(uint64(math.MaxUint64), uint64(1), 1.0, uint64(0), uint64(0), uint64(0))
	f.Add(uint64(1), uint64(1), math.NaN(), uint64(0), uint64(5), uint64(2))
	f.Add(uint64(0), uint64(9), math.Inf(1), uint64(0), uint64(5), uint64(2))
	f.Add(uint64(0), uint64(0), math.SmallestNonzeroFloat64, uint64(9), uint64(4), uint64(1<<53))
	f.Fuzz(func(t *testing.T, first, count uint64, prob float64, seed, salt, n uint64) {
		r := Rule{First: first, Count: count, Prob: prob}
		hit := r.hit(seed, salt, n) // also of a rule that is refused: no fault
		if (r.validate("op", "rule") == nil) != (prob >= 0 && prob <= 1) {
			t.Fatalf("%+v: %v", r, r.validate("op", "rule"))
		}
		if r.validate("op", "rule") != nil {
			return
		}
		if r.hit(seed, salt, n) != hit {
			t.Fatalf("%+v: not the same twice", r)
		}
		numbered := first != 0 && n >= first && n-first < max(count, 1)
		switch {
		case numbered && !hit, prob == 1 && !hit, !numbered && prob == 0 && hit, r.never() && hit:
			t.Fatalf("%+v: occurrence %d: %v", r, n, hit)
		}
	})
}

// FuzzFaults reads faults as configuration files would have them, and uses a CQ
// that has them: whatever they are, its counters add up, and what is on the CQ
// is what was completed.
func FuzzFaults(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `[]`, `{"Delay":-1}`, `{"LoseEvent":{"First":1}}`,
		`{"LoseEvent":{"Prob":0.5},"DuplicateEvent":{"First":2,"Count":3},"DelayEvent":{"First":1},"Delay":1000000}`,
		`{"SpuriousEvent":{"Prob":1},"ArmError":{"First":2,"Count":18446744073709551615}}`,
		`{"ArmError":{"Prob":1e-300}}`, `{"ArmError":{"Prob":2}}`, `{"Delay":9223372036854775807,"DelayEvent":{"Prob":1}}`,
	} {
		f.Add([]byte(s), uint64(1), uint8(9))
	}
	f.Fuzz(func(t *testing.T, text []byte, seed uint64, turns uint8) {
		var faults, again Faults
		if json.Unmarshal(text, &faults) != nil {
			return
		}
		b, err := json.Marshal(faults)
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(b, &again); err != nil || !reflect.DeepEqual(faults, again) {
			t.Fatalf("%+v became %+v, %v", faults, again, err)
		}
		c, err := New(Config{Depth: 256, Seed: seed, Faults: faults})
		if err != nil {
			if faults.validate("op") == nil {
				t.Fatal(err)
			}
			return
		}
		defer c.Close()
		for i := range turns {
			_, _ = c.Arm(false)
			if ok, err := c.Complete(hwcq.WC{WRID: uint64(i)}, false); !ok || err != nil {
				t.Fatal(ok, err)
			}
		}
		s := c.Stats()
		if s.Arms+s.ArmErrors != uint64(turns) || s.Completions != uint64(turns) || s.Overruns != 0 {
			t.Fatalf("%d turns: %+v", turns, s)
		}
		if faults.Delay > time.Hour || faults.DelayEvent.never() { // none of the late ones has come
			if fired := s.Arms - s.ArmAgain; s.EventsRaised+s.EventsLost+s.EventsDelayed != fired+s.EventsDuplicated+s.EventsSpurious {
				t.Fatalf("%d arms fired: %+v", fired, s)
			}
		}
		dst := make([]hwcq.WC, 256)
		if n := c.Poll(dst); n != int(turns) {
			t.Fatalf("%d of %d completions", n, turns)
		}
		for i := range turns {
			if dst[i].WRID != uint64(i) {
				t.Fatalf("completion %d is %d", i, dst[i].WRID)
			}
		}
	})
}
