package rxe

// CMAttr is what the kernel's connection manager wants a QP to be, for
// [QP.ApplyCM]: struct ib_uverbs_qp_attr of ib_user_verbs.h, as RDMA_USER_CM's
// INIT_QP_ATTR answers it. It is the kernel's, and is passed on to it as it is.
type CMAttr [144]byte

// SetMinRNRTimer sets how long a peer that found no receive should wait: code 0
// (655 ms) or 1..31 of IBTA table 46. The kernel's CM says 0.
func (a *CMAttr) SetMinRNRTimer(code uint8) { a[132] = code }
