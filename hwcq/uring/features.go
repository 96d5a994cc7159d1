package uring

import (
	"fmt"

	"github.com/evdengine/evd/hwcq"
)

// Support says whether something can be used here.
type Support uint8

const (
	// Unknown: it could not be found out. [Features.Err] says why.
	Unknown Support = iota
	// No: it cannot.
	No
	// Yes: it can.
	Yes
)

func (s Support) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case No:
		return "no"
	case Yes:
		return "yes"
	}
	return fmt.Sprintf("support(%d)", uint8(s))
}

// Feature is something that an io_uring may be able to do, beside the operations.
type Feature uint8

const (
	// FeatureRing: io_uring can be used at all.
	FeatureRing Feature = iota
	// FeatureSQPoll: Config.SQPoll.
	FeatureSQPoll
	// FeatureSubmitAll: one bad request does not stop those behind it; every ring needs it.
	FeatureSubmitAll
	// FeatureCoopTaskrun: Config.CoopTaskrun.
	FeatureCoopTaskrun
	// FeatureSingleIssuer: a ring for one thread; the shape Owner needs it.
	FeatureSingleIssuer
	// FeatureDeferTaskrun: completions in that thread's calls only; the shape Owner needs it.
	FeatureDeferTaskrun
	// FeatureNoSQArray: one indirection less; used where it is there.
	FeatureNoSQArray
	// FeatureBufferRings: Ring.NewBuffers.
	FeatureBufferRings
	// FeatureMultishotAccept: AcceptMulti.
	FeatureMultishotAccept
	// FeatureMultishotRecv: RecvMulti.
	FeatureMultishotRecv
	// FeatureSyncCancel: Close with requests in flight.
	FeatureSyncCancel

	featureCount
)

// featureTable says what a feature is called and which kernel had it first. Vendors'
// kernels may have it earlier.
var featureTable = [featureCount]struct{ name, since string }{
	FeatureRing:            {"io_uring", "5.1"},
	FeatureSQPoll:          {"IORING_SETUP_SQPOLL", "5.1"},
	FeatureSubmitAll:       {"IORING_SETUP_SUBMIT_ALL", "5.18"},
	FeatureCoopTaskrun:     {"IORING_SETUP_COOP_TASKRUN", "5.19"},
	FeatureSingleIssuer:    {"IORING_SETUP_SINGLE_ISSUER", "6.0"},
	FeatureDeferTaskrun:    {"IORING_SETUP_DEFER_TASKRUN", "6.1"},
	FeatureNoSQArray:       {"IORING_SETUP_NO_SQARRAY", "6.6"},
	FeatureBufferRings:     {"IORING_REGISTER_PBUF_RING", "5.19"},
	FeatureMultishotAccept: {"IORING_ACCEPT_MULTISHOT", "5.19"},
	FeatureMultishotRecv:   {"IORING_RECV_MULTISHOT", "6.0"},
	FeatureSyncCancel:      {"IORING_REGISTER_SYNC_CANCEL", "6.0"},
}

// String is the name that the kernel's headers have for the feature.
func (f Feature) String() string {
	if f < featureCount {
		return featureTable[f].name
	}
	return fmt.Sprintf("feature(%d)", uint8(f))
}

// Since is the Linux release that had the feature first.
func (f Feature) Since() string {
	if f < featureCount {
		return featureTable[f].since
	}
	return "?"
}

// opSince is which Linux release had an operation first.
var opSince = map[Op]string{
	OpNop: "5.1", OpFsync: "5.1", OpPollAdd: "5.1", OpTimeout: "5.4", OpAccept: "5.5", OpAsyncCancel: "5.5",
	OpLinkTimeout: "5.5", OpConnect: "5.5", OpClose: "5.6", OpRead: "5.6", OpWrite: "5.6", OpSend: "5.6",
	OpRecv: "5.6", OpShutdown: "5.11", OpMsgRing: "5.18",
}

// Since is the Linux release that had the operation first.
func (o Op) Since() string {
	if s, ok := opSince[o]; ok {
		return s
	}
	return "?"
}

// AllFeatures are all features, in the order of their constants.
func AllFeatures() []Feature {
	all := make([]Feature, featureCount)
	for i := range all {
		all[i] = Feature(i)
	}
	return all
}

// Features is what [Probe] found. The zero value knows nothing.
type Features struct {
	has [featureCount]Support
	ops [256]Support
	why error // why what is Unknown is that, and what FeatureRing's No comes of
}

// Has says whether a feature can be used.
func (f *Features) Has(x Feature) Support {
	if x >= featureCount {
		return No
	}
	return f.has[x]
}

// HasOp says whether an operation can be used.
func (f *Features) HasOp(o Op) Support { return f.ops[o] }

// Err is nil for a feature that can be used. Otherwise it says what is missing and
// since when Linux has it, and matches hwcq.ErrNotSupported; or why that could not be
// found out, and matches hwcq.ErrUnavailable or what [Open] returns.
func (f *Features) Err(x Feature) error { return f.err(f.Has(x), x.String(), x.Since()) }

// ErrOp is [Features.Err] for an operation.
func (f *Features) ErrOp(o Op) error {
	return f.err(f.HasOp(o), "operation "+o.String(), o.Since())
}

func (f *Features) err(s Support, name, since string) error {
	switch {
	case s == Yes:
		return nil
	case f.has[FeatureRing] != Yes && f.why != nil:
		return f.why
	case s == No:
		return missing(name, since)
	case f.why != nil:
		return fmt.Errorf("uring: %s: %w", name, f.why)
	}
	return fmt.Errorf("uring: %s: %w: not probed", name, hwcq.ErrUnavailable)
}

// missing is the error for what the kernel does not have.
func missing(name, since string) error {
	return fmt.Errorf("uring: %w: this kernel has no %s (Linux %s)", hwcq.ErrNotSupported, name, since)
}
