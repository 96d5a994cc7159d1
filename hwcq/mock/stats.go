package mock

// Stats are the counters of a CQ since New.
type Stats struct {
	Completions uint64 // stored in the ring, or about to be
	Overruns    uint64 // dropped because the ring was full

	Arms      uint64 // calls of Arm that succeeded
	ArmAgain  uint64 // of those, calls on a CQ that was armed already
	ArmErrors uint64 // calls of Arm that failed by Faults.ArmError

	EventsRaised uint64 // queued at the event source
	EventsTaken  uint64 // returned by Wait or TryWait
	Wakes        uint64 // calls of Wake

	EventsLost       uint64 // by Faults.LoseEvent
	EventsDuplicated uint64 // by Faults.DuplicateEvent
	EventsDelayed    uint64 // by Faults.DelayEvent
	EventsSpurious   uint64 // by Faults.SpuriousEvent
	EventsEarly      uint64 // by Faults.EarlyEvent
	ErrorWCs         uint64 // by Faults.ErrorWC
	ForcedOverruns   uint64 // by Faults.Overrun
	Removals         uint64 // by Faults.Remove
}

// Stats reads the counters. Each is exact; they are not read at one instant.
func (c *CQ) Stats() Stats {
	s := Stats{
		Completions:  c.hw.count(c.first),
		Overruns:     c.hw.overruns.Load(),
		Arms:         c.arm.w.Load() >> armCountShift,
		ArmAgain:     c.arm.again.Load(),
		EventsTaken:  c.ev.taken.Load(), // before raised: taken <= raised
		EventsRaised: c.ev.raised.Load(),
		Wakes:        c.ev.wakes.Load(),
	}
	if in := c.faults; in != nil {
		s.ArmErrors = in.armErrors.Load()
		s.EventsLost = in.lost.Load()
		s.EventsDuplicated = in.duplicated.Load()
		s.EventsDelayed = in.delayed.Load()
		s.EventsSpurious = in.forged.Load()
		s.EventsEarly = in.fates.early.Load()
		s.ErrorWCs = in.fates.failed.Load()
		s.ForcedOverruns = in.fates.full.Load()
		s.Removals = in.fates.removed.Load()
	}
	return s
}
