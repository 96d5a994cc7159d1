//go:build linux && (amd64 || arm64)

package uring

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
)

// fakeHost has these files, a limit of 4096 on everything, and a kernel that refuses a
// ring with one of the flags.
func fakeHost(files map[string]string, refuse uint32, e unix.Errno) host {
	return host{
		read: func(path string) ([]byte, error) {
			if s, ok := files[path]; ok {
				return []byte(s), nil
			}
			return nil, os.ErrNotExist
		},
		limit: func(int) (unix.Rlimit, error) { return unix.Rlimit{Cur: 4096, Max: 8192}, nil },
		setup: func(entries uint32, p *params) (int, unix.Errno) {
			if refuse == 0 || p.flags&refuse != 0 {
				return -1, e
			}
			return sysRingSetup(entries, p)
		},
	}
}

func TestSetupErrors(t *testing.T) {
	const (
		free     = "Name:\tx\nSeccomp:\t0\n"
		filtered = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n"
	)
	for name, c := range map[string]struct {
		e     unix.Errno
		files map[string]string
		conf  Config
		kind  error
		want  []string
	}{
		"no io_uring":        {e: unix.ENOSYS, files: map[string]string{statusFile: free}, kind: hwcq.ErrNotSupported, want: []string{"this kernel has no io_uring", "5.1"}},
		"hidden by a filter": {e: unix.ENOSYS, files: map[string]string{statusFile: filtered}, kind: hwcq.ErrNotSupported, want: []string{"seccomp filter", "allow io_uring_setup"}},
		"sysctl 2":           {e: unix.EPERM, files: map[string]string{disabledFile: "2\n", statusFile: filtered}, kind: hwcq.ErrUnavailable, want: []string{"kernel.io_uring_disabled is 2", "everybody", "set it to 0"}},
		"sysctl 1": {
			e: unix.EPERM, files: map[string]string{disabledFile: "1\n", groupFile: "-1\n", statusFile: free}, kind: hwcq.ErrUnavailable,
			want: []string{"kernel.io_uring_disabled is 1", "CAP_SYS_ADMIN", "kernel.io_uring_group (now -1)"},
		},
		"forbidden by a filter": {e: unix.EPERM, files: map[string]string{disabledFile: "0\n", statusFile: filtered}, kind: hwcq.ErrUnavailable, want: []string{"seccomp filter", "forbids"}},
		"older, a filter":       {e: unix.EPERM, files: map[string]string{statusFile: filtered}, kind: hwcq.ErrUnavailable, want: []string{"seccomp filter"}},
		"a security module":     {e: unix.EACCES, files: map[string]string{statusFile: free}, kind: hwcq.ErrUnavailable, want: []string{"LSM"}},
		"memory":                {e: unix.ENOMEM, conf: Config{Entries: 1024}, kind: hwcq.ErrUnavailable, want: []string{"100 KiB", "RLIMIT_MEMLOCK (ulimit -l) (now 4096)", "smaller"}},
		"the process's files":   {e: unix.EMFILE, kind: hwcq.ErrUnavailable, want: []string{"RLIMIT_NOFILE (ulimit -n) (now 4096)"}},
		"the system's files":    {e: unix.ENFILE, files: map[string]string{"/proc/sys/fs/file-max": "1000\n"}, kind: hwcq.ErrUnavailable, want: []string{"fs.file-max (now 1000)"}},
		"something else":        {e: unix.EIO, kind: unix.EIO, want: []string{"io_uring_setup: input/output error"}},
		"refused, no idea why":  {e: unix.EINVAL, kind: hwcq.ErrNotSupported, conf: Config{Entries: 4}, want: []string{"refuses a ring of Entries 4, Depth 8, shape portable"}},
	} {
		t.Run(name, func(t *testing.T) {
			refuse := uint32(1 << 31) // nothing that lacking would find
			err := fakeHost(c.files, refuse, c.e).explain(c.e, c.conf)
			require.ErrorIs(t, err, c.kind)
			require.ErrorIs(t, err, c.e)
			require.Equal(t, c.kind == hwcq.ErrUnavailable, errors.Is(err, hwcq.ErrUnavailable))
			require.True(t, strings.HasPrefix(err.Error(), "uring: open: "), err)
			for _, w := range c.want {
				require.ErrorContains(t, err, w)
			}
		})
	}
}

func TestSetupFlagUnknown(t *testing.T) {
	for flag, c := range map[uint32]struct {
		conf Config
		want string
	}{
		setupSQPoll:       {Config{SQPoll: true}, "no IORING_SETUP_SQPOLL (Linux 5.1)"},
		setupSubmitAll:    {Config{}, "no IORING_SETUP_SUBMIT_ALL (Linux 5.18)"},
		setupCoopTaskrun:  {Config{CoopTaskrun: true}, "no IORING_SETUP_COOP_TASKRUN (Linux 5.19)"},
		setupSingleIssuer: {Config{Shape: Owner}, "no IORING_SETUP_SINGLE_ISSUER (Linux 6.0)"},
		setupDeferTaskrun: {Config{Shape: Owner}, "no IORING_SETUP_DEFER_TASKRUN (Linux 6.1)"},
	} {
		h := fakeHost(nil, flag, unix.EINVAL)
		err := h.explain(unix.EINVAL, c.conf)
		require.ErrorIs(t, err, hwcq.ErrNotSupported)
		require.ErrorIs(t, err, unix.EINVAL)
		require.ErrorContains(t, err, c.want)
	}
}

func TestSeccompStatusIsThere(t *testing.T) {
	b, err := os.ReadFile(statusFile)
	require.NoError(t, err)
	require.Contains(t, string(b), "\nSeccomp:\t", "what filtered looks for")
}

func TestProbe(t *testing.T) {
	haveRing(t)
	f := Probe()
	for _, x := range AllFeatures() {
		require.NotEqual(t, Unknown, f.Has(x), "%v: %v", x, f.Err(x))
		require.NotEqual(t, "?", x.Since())
		if x != FeatureNoSQArray { // the one that Linux 6.1 does not have
			require.NoError(t, f.Err(x))
			require.Equal(t, Yes, f.Has(x), x)
		}
	}
	for op := range opNames {
		require.Equal(t, Yes, f.HasOp(op), op)
		require.NoError(t, f.ErrOp(op))
	}
	require.Equal(t, No, f.HasOp(254), "no kernel has that many")
	err := f.ErrOp(254)
	require.ErrorIs(t, err, hwcq.ErrNotSupported)
	require.ErrorContains(t, err, "op(254)")
	require.Equal(t, No, f.Has(featureCount))
	require.ErrorIs(t, f.Err(featureCount), hwcq.ErrNotSupported)
}

func TestProbeOfOtherKernels(t *testing.T) {
	haveRing(t)
	t.Run("without DEFER_TASKRUN", func(t *testing.T) {
		f := fakeHost(nil, setupDeferTaskrun, unix.EINVAL).probe()
		require.Equal(t, No, f.Has(FeatureDeferTaskrun))
		require.Equal(t, Yes, f.Has(FeatureSingleIssuer))
		err := f.Err(FeatureDeferTaskrun)
		require.ErrorIs(t, err, hwcq.ErrNotSupported)
		require.EqualError(t, err, "uring: hwcq: not supported: this kernel has no IORING_SETUP_DEFER_TASKRUN (Linux 6.1)")
	})
	t.Run("a flag that cannot be tried", func(t *testing.T) {
		f := fakeHost(nil, setupSQPoll, unix.EPERM).probe()
		require.Equal(t, Unknown, f.Has(FeatureSQPoll))
		require.Equal(t, Yes, f.Has(FeatureRing))
		err := f.Err(FeatureSQPoll)
		require.ErrorIs(t, err, hwcq.ErrUnavailable)
		require.ErrorContains(t, err, "IORING_SETUP_SQPOLL")
	})
	t.Run("without io_uring", func(t *testing.T) {
		f := fakeHost(nil, 0, unix.ENOSYS).probe()
		require.Equal(t, No, f.Has(FeatureRing))
		require.Equal(t, Unknown, f.Has(FeatureBufferRings))
		require.Equal(t, Unknown, f.HasOp(OpRead))
		for _, err := range []error{f.Err(FeatureRing), f.Err(FeatureBufferRings), f.ErrOp(OpRead)} {
			require.ErrorIs(t, err, hwcq.ErrNotSupported)
			require.ErrorIs(t, err, unix.ENOSYS)
		}
	})
	t.Run("no files left", func(t *testing.T) {
		f := fakeHost(nil, 0, unix.EMFILE).probe()
		require.Equal(t, Unknown, f.Has(FeatureRing))
		require.ErrorIs(t, f.Err(FeatureRing), hwcq.ErrUnavailable)
		require.ErrorContains(t, f.Err(FeatureRing), "RLIMIT_NOFILE")
	})
	t.Run("not asked", func(t *testing.T) {
		var f Features
		require.Equal(t, Unknown, f.Has(FeatureRing))
		require.ErrorIs(t, f.Err(FeatureRing), hwcq.ErrUnavailable)
	})
	require.Equal(t, []string{"unknown", "no", "yes", "support(3)"}, []string{Unknown.String(), No.String(), Yes.String(), Support(3).String()})
	require.Equal(t, "feature(200)", Feature(200).String())
	require.Equal(t, "?", Feature(200).Since())
}
