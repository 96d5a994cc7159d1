#include "textflag.h"

// func bounce(mine, theirs *uint64, n uint64, first bool)
//
// n round trips of a number through two words on lines of their own, with plain stores
// and loads, without pauses.
TEXT ·bounce(SB), NOSPLIT, $0-25
	MOVQ mine+0(FP), AX
	MOVQ theirs+8(FP), BX
	MOVQ n+16(FP), CX
	MOVBLZX first+24(FP), DX
	MOVQ $1, SI
loop:
	CMPQ SI, CX
	JHI  done
	TESTL DX, DX
	JZ   wait
	MOVQ SI, (AX)
wait:
	CMPQ SI, (BX)
	JNE  wait
	TESTL DX, DX
	JNZ  next
	MOVQ SI, (AX)
next:
	INCQ SI
	JMP  loop
done:
	RET
