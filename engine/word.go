package engine

// word is an EVD's (or pump's) state word. It is only ever changed by
// compare-and-swap; what a transition decides, it decides from one value.
//
//	 0-15 RUN    run slots held: upcalls that run or may begin
//	16-29 LIM    run slots allowed: 0 disabled, 1 single instance, n many
//	   30 CNO    LIM is 1 and the slot is a CNO's: who holds RUN is looking on
//	             its behalf, is its ready list, or is the waiter that has the EVD
//	   31 NOTE   upcalls carry no events: notification only
//	   32 MISS   something happened and nobody who runs has promised to look
//	   33 ARM    every directly attached CQ is armed, or is being armed by the
//	             one who set the bit; constantly 1 where no CQ is attached
//	             directly
//	   34 WAIT   the waiter sleeps or is about to; whoever clears it owes him
//	             one token
//	   35 CLOSE  terminal
//	   36 OWN    TAKE is a waiter's: it stays with him while he sleeps
//	   37 TAKE   somebody (a runner, a Dequeue, a waiter, Close's drain) is the
//	             one consumer of ring and CQs
//	   38 QUED   one run is in the run queue; it holds no slot
//	   39 QUIET  somebody sleeps until RUN=0, or RUN=0 and TAKE=0
//	   40 STALL  a pump found the ring full and went away
//	41-63 GEN    +1 on every change of policy
//
// Invariants, whenever nobody is between a load and its compare-and-swap:
//
//	I1  RUN <= LIM, or every runner above it leaves at its next look
//	I2  LIM > 0 and an event pending imply one of: RUN > 0 and (MISS or the
//	    runner has yet to look), QUED, an event of an armed CQ on its way, a
//	    poller that watches the CQ, a trigger not finished, TAKE held by one
//	    who will see MISS
//	I3  MISS is cleared only by one who looks at ring and CQs afterwards
//	I4  ARM is set only by one who arms the CQs and looks afterwards
//	I5  WAIT implies OWN, OWN implies TAKE and LIM=0
//	I6  WAIT and at least as many events pending as the waiter wants imply a
//	    trigger not finished, or the waiter has yet to look
//	I7  CNO implies LIM=1, and no upcall runs or begins
//
// I2 with nothing left to run is the promise "no lost wake-up".
type word uint64

const (
	runOne  word = 1
	runMask word = 0xffff

	limShift       = 16
	limMask   word = 0x3fff << limShift
	limMany   word = 0x3ffe << limShift // any of these: LIM > 1
	bCNO      word = 1 << 30
	bNOTE     word = 1 << 31
	levelMask      = limMask | bCNO | bNOTE
	runsOne   word = 1 << limShift // RUN=0, LIM=1, CNO=0, NOTE=0: of these bits

	bMISS  word = 1 << 32
	bARM   word = 1 << 33
	bWAIT  word = 1 << 34
	bCLOSE word = 1 << 35
	bOWN   word = 1 << 36
	bTAKE  word = 1 << 37
	bQUED  word = 1 << 38
	bQUIET word = 1 << 39
	bSTALL word = 1 << 40

	genShift      = 41
	genOne   word = 1 << genShift
)

func (w word) run() word { return w & runMask }
func (w word) lim() word { return (w & limMask) >> limShift }

// level is a policy as it stands in the word: LIM and NOTE, in place.
type level word

const (
	levelDisabled level = 0
	levelCNO            = 1<<limShift | level(bCNO)
)

func (w word) level() level { return level(w & levelMask) }
func (l level) lim() word   { return word(l).lim() }

// policy returns w with that level and the next GEN.
func (w word) policy(l level) word { return (w&^levelMask | word(l)) + genOne }

func (w word) gen() word { return w >> genShift }

// quiet applies the QUIET rule to the new word of every transition that
// lowers RUN or clears TAKE: if nothing runs in it, it takes the bit and must
// wake the sleepers after its compare-and-swap. One who waits for TAKE too
// (Close) may have to sleep again; one who waits for upcalls only (Teardown) is
// not kept by a waiter, who holds TAKE for as long as he likes.
func (w word) quiet() (n word, wake bool) {
	if w&bQUIET != 0 && w.run() == 0 {
		return w &^ bQUIET, true
	}
	return w, false
}
