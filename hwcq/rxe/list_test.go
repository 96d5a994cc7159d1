//go:build linux && (amd64 || arm64)

package rxe

import (
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/evdengine/evd/hwcq"
	"github.com/evdengine/evd/internal/param"
)

func file(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }

func TestListDevices(t *testing.T) {
	sys := fstest.MapFS{
		"class/infiniband_verbs/abi_version":     file("6\n"),
		"class/infiniband_verbs/uverbs2/ibdev":   file("rxe10\n"),
		"class/infiniband_verbs/uverbs1/ibdev":   file("rxe2\n"),
		"class/infiniband_verbs/uverbs0/ibdev":   file("mlx5_0\n"),
		"class/infiniband_verbs/uverbs3/ibdev":   file("../../etc\n"),
		"class/infiniband_verbs/uverbs4/ibdev":   file(""),
		"class/infiniband_verbs/uverbs5/nothing": file("x"),
		"class/infiniband/rxe10/parent":          file("eth0\n"),
		"class/infiniband/rxe2/parent":           file("eth1\n"),
	}
	devs, err := listDevices(sys)
	require.NoError(t, err)
	require.Equal(t, []DeviceInfo{
		{Name: "rxe2", Node: "/dev/infiniband/uverbs1", RXE: true, NetDev: "eth1"},
		{Name: "rxe10", Node: "/dev/infiniband/uverbs2", RXE: true, NetDev: "eth0"},
		{Name: "mlx5_0", Node: "/dev/infiniband/uverbs0"},
	}, devs)

	_, err = listDevices(fstest.MapFS{})
	require.ErrorIs(t, err, errNoVerbs)
}

func TestPick(t *testing.T) {
	devs := []DeviceInfo{{Name: "mlx5_0"}, {Name: "rxe0", RXE: true}, {Name: "rxe1", RXE: true}}
	d, err := pick(devs, "")
	require.NoError(t, err)
	require.Equal(t, "rxe0", d.Name)
	d, err = pick(devs, "rxe1")
	require.NoError(t, err)
	require.Equal(t, "rxe1", d.Name)

	_, err = pick(devs, "nope")
	require.ErrorIs(t, err, param.ErrInvalid)
	require.ErrorContains(t, err, "nope")
	require.ErrorContains(t, err, "rxe0, rxe1", "it lists what there is")

	_, err = pick(devs, "mlx5_0")
	require.ErrorIs(t, err, hwcq.ErrNotSupported)
	require.ErrorContains(t, err, "not driven by rdma_rxe")

	for _, name := range []string{"", "rxe0"} {
		_, err = pick(nil, name)
		require.ErrorIs(t, err, hwcq.ErrUnavailable)
		require.ErrorContains(t, err, "modprobe rdma_rxe")
		require.ErrorContains(t, err, "evdbench rxe up")
	}
	_, err = pick(devs[:1], "")
	require.ErrorIs(t, err, hwcq.ErrUnavailable)
	require.ErrorContains(t, err, "mlx5_0")
}

func TestOpenErrors(t *testing.T) {
	info := DeviceInfo{Name: "rxe0", Node: "/dev/infiniband/uverbs0"}
	err := openError(info, unix.EACCES)
	require.ErrorIs(t, err, hwcq.ErrUnavailable)
	require.ErrorIs(t, err, fs.ErrPermission)
	require.ErrorContains(t, err, "root")
	err = openError(info, unix.ENOENT)
	require.ErrorIs(t, err, hwcq.ErrUnavailable)
	require.ErrorContains(t, err, info.Node)

	require.ErrorIs(t, opError("x", unix.EBUSY), hwcq.ErrBusy)
	require.ErrorIs(t, opError("x", unix.EIO), hwcq.ErrRemoved)
	require.ErrorContains(t, opError("x", unix.EACCES), "credentials")
	require.ErrorIs(t, opError("x", unix.EINVAL), unix.EINVAL)

	for _, name := range []string{"a/b", "..", "rxe 0", "x\x00", strings.Repeat("x", 64)} {
		_, err := Open(Config{Device: name})
		require.ErrorIs(t, err, param.ErrInvalid, "%q", name)
	}
}

// Whatever the host is, Open says something that can be acted on.
func TestOpenHere(t *testing.T) {
	d, err := Open(Config{})
	if err == nil {
		require.NoError(t, d.Close())
		return
	}
	require.True(t, errors.Is(err, hwcq.ErrUnavailable), "%v", err)
}

func FuzzListDevices(f *testing.F) {
	f.Add("uverbs0", "rxe0\n", "eth0\n")
	f.Add("uverbs\xff", "..", "")
	f.Fuzz(func(t *testing.T, dir, name, parent string) {
		sys := fstest.MapFS{
			"class/infiniband_verbs/" + dir + "/ibdev": file(name),
			"class/infiniband/rxe0/parent":             file(parent),
		}
		devs, err := listDevices(sys)
		if err != nil {
			return
		}
		for _, d := range devs {
			if !validName(d.Name) || d.Name == "" {
				t.Fatalf("%+v", d)
			}
		}
		_, _ = pick(devs, "rxe0")
	})
}
