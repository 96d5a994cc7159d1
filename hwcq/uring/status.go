package uring

import (
	"fmt"
	"syscall"

	"github.com/evdengine/evd/hwcq"
)

// Result is what the completion of a request says: the number it succeeded with, which is
// a count of bytes, a file descriptor or whatever its constructor says; or the error
// it failed with, which is a syscall.Errno where the kernel said one. It does not allocate
// for those.
func Result(wc hwcq.WC) (n int, err error) {
	switch {
	case wc.Status == hwcq.StatusSuccess:
		return int(wc.ByteLen), nil
	case wc.VendorErr != 0:
		return 0, syscall.Errno(wc.VendorErr)
	}
	return 0, fmt.Errorf("uring: %v: %v", OpOf(wc), wc.Status)
}

// statusOf is the status of a request that failed with an errno, as linux
// include/uapi/asm-generic/errno*.h number them. (Package syscall has other ones
// elsewhere.)
func statusOf(op Op, errno uint32) hwcq.Status {
	switch errno {
	case 125: // ECANCELED
		return hwcq.StatusWRFlushErr
	case 14: // EFAULT
		return hwcq.StatusLocProtErr
	case 9, 22, 95, 88: // EBADF, EINVAL, EOPNOTSUPP, ENOTSOCK
		return hwcq.StatusLocQPOpErr
	case 90: // EMSGSIZE
		return hwcq.StatusLocLenErr
	case 105: // ENOBUFS
		return hwcq.StatusRNRRetryExcErr
	case 104, 32, 111, 107: // ECONNRESET, EPIPE, ECONNREFUSED, ENOTCONN
		return hwcq.StatusRemOpErr
	case 110: // ETIMEDOUT
		return hwcq.StatusRespTimeoutErr
	case etime:
		if op == OpTimeout || op == OpLinkTimeout {
			return hwcq.StatusSuccess // it did what was asked
		}
	}
	return hwcq.StatusGeneralErr
}

const etime = 62 // ETIME
