package vm

import (
	"archive/tar"
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func tarOf(t *testing.T, files map[string]string) *bytes.Buffer {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for name, content := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Size: int64(len(content))}))
		_, err := w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return &buf
}

func TestReadKernelTar(t *testing.T) {
	files, err := readKernelTar(tarOf(t, map[string]string{
		"./boot/vmlinuz-6.12.1":                    "K",
		"./boot/config-6.12.1":                     "C",
		"./lib/modules/6.12.1/kernel/a-b.ko.xz":    "M",
		"./lib/modules/6.12.1/kernel/plain.ko":     "P",
		"./lib/modules/6.12.1/modules.builtin":     "kernel/net/x-y.ko\nkernel/z.ko\n",
		"./usr/share/doc/linux-image/changelog.gz": "D",
		"./usr/share/x.kotlin":                     "no module",
	}))
	require.NoError(t, err)
	require.Equal(t, "K", string(files.vmlinuz))
	require.Equal(t, map[string][]byte{"a_b": []byte("M"), "plain": []byte("P")}, files.modules)
	require.Equal(t, ".ko.xz", files.suffix["a_b"])
	require.Equal(t, []string{"x_y", "z"}, files.builtin)
	_, err = readKernelTar(tarOf(t, map[string]string{"./boot/config": "C"}))
	require.Error(t, err)
	_, err = readKernelTar(bytes.NewBufferString("junk that is no archive"))
	require.Error(t, err)
}

func TestBuildImageNamesWhatIsMissing(t *testing.T) {
	_, err := buildImage(t.Context(), t.TempDir(), "6.12.1-amd64", packageFiles{vmlinuz: []byte("K")})
	require.ErrorContains(t, err, "virtio_pci")
	_, err = decompress(t.Context(), nil, ".ko.lz4")
	require.ErrorContains(t, err, ".ko.lz4")
}

func TestWriteInitramfs(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "modules"), 0o755))
	img := image{
		Release: "6.12.1-amd64", Dir: dir,
		Deps:    map[string][]string{"rdma_rxe": {"ib_core"}, "ib_core": nil, "veth": {"ib_core"}},
		BuiltIn: map[string]bool{"virtio_net": true},
	}
	for m := range img.Deps {
		require.NoError(t, os.WriteFile(filepath.Join(dir, "modules", m+".ko"), []byte("ko "+m), 0o644))
	}
	var buf bytes.Buffer
	s := settings{modules: []string{"veth", "virtio_net"}, rxe: true, binds: []string{"/tmp/a b"}, script: "exec true\n"}
	require.NoError(t, writeInitramfs(&buf, img, []byte("BB"), s))
	got := map[string]string{}
	for _, e := range readCpio(t, buf.Bytes()) {
		require.NotContains(t, got, e.name)
		got[e.name] = e.data
	}
	require.Equal(t, "BB", got["bin/busybox"])
	require.Equal(t, string(initScript), got["init"])
	require.Equal(t, "ib_core\nrdma_rxe\n", got["modules/order"])
	require.Equal(t, "ib_core\nveth\n", got["modules/veth.order"])
	require.Equal(t, "\n", got["modules/virtio_net.order"])
	require.Equal(t, "ko veth", got["modules/veth.ko"])
	require.Equal(t, "MODULES='veth virtio_net'\nRXE=1\nNET=''\n", got["job/settings"])
	require.Equal(t, "/tmp/a b\n", got["job/binds"])
	require.Equal(t, "exec true\n", got["job/run.sh"])

	s.modules = []string{"sch_netem"}
	require.ErrorContains(t, writeInitramfs(&buf, img, nil, s), "sch_netem")
	require.NoError(t, os.Remove(filepath.Join(dir, "modules", "ib_core.ko")))
	s.modules = nil
	require.ErrorContains(t, writeInitramfs(&buf, img, nil, s), dir)
}
