package explore

// Kind says what an operation does. The low bits are the operation, the high
// ones how to print its values.
type Kind uint8

// The operations.
const (
	OpLoad Kind = iota
	OpStore
	OpSwap
	OpCAS
	OpAdd
	OpAnd
	OpOr
	OpLock
	OpUnlock
	OpSignal
	OpWait
	opBlock
	opSpin
	opTimed
	opRead
	opWrite
	opStart
	opEnd
	opChoose
	opJoin

	opMask Kind = 0x1f
)

// How to print the values of an operation; to be or-ed to it.
const (
	AsSigned  Kind = 0x20
	AsBool    Kind = 0x40
	AsPointer Kind = 0x80
)

var opNames = [...]string{
	OpLoad: "load", OpStore: "store", OpSwap: "swap", OpCAS: "cas", OpAdd: "add", OpAnd: "and", OpOr: "or",
	OpLock: "lock", OpUnlock: "unlock", OpSignal: "signal", OpWait: "wait",
	opBlock: "block", opSpin: "spin", opTimed: "timed-wait", opRead: "read", opWrite: "write",
	opStart: "start", opEnd: "end", opChoose: "choose", opJoin: "join",
}

// String returns the name of the operation.
func (k Kind) String() string {
	if int(k&opMask) < len(opNames) {
		return opNames[k&opMask]
	}
	return "op?"
}

// acquires: the operation sees what others released.
func (k Kind) acquires() bool { return k&opMask != OpStore }

// writes: the operation, if it succeeds, publishes.
func (k Kind) writes() bool { return k&opMask != OpLoad }
