package vm

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/evdengine/evd/internal/param"
)

func TestConfigValidate(t *testing.T) {
	require.NoError(t, Config{}.Validate())
	require.NoError(t, Config{Kernel: "6.1", ICount: true, Modules: []string{"veth"}, Packages: []string{"g++-12"}}.Validate())
	require.NoError(t, Config{Kernel: "6.12.117+deb12-amd64"}.Validate())
	for field, c := range map[string]Config{
		"Kernel": {Kernel: "latest"}, "MemoryMiB": {MemoryMiB: 1}, "CPUs": {CPUs: -1}, "Accel": {Accel: "hvf"},
		"Native": {Native: "maybe"}, "Timeout": {Timeout: -1}, "BootTimeout": {BootTimeout: -time.Second},
		"Modules": {Modules: []string{"mlx5"}}, "Veth": {Veth: true, NoRXE: true}, "Packages": {Packages: []string{"--force"}},
	} {
		err := c.Validate()
		require.ErrorIs(t, err, param.ErrInvalid, field)
		require.ErrorContains(t, err, field+" = ")
	}
	require.ErrorContains(t, Config{ICount: true, CPUs: 2}.Validate(), "CPUs = 2")
	require.ErrorContains(t, Config{ICount: true, Accel: AccelKVM}.Validate(), "Accel = kvm")
	err := Config{MemoryMiB: 1, CPUs: 99}.Validate()
	require.ErrorContains(t, err, "MemoryMiB")
	require.ErrorContains(t, err, "CPUs", "all problems at once")
}

func TestJobValidate(t *testing.T) {
	require.NoError(t, Job{Args: []string{"true"}, Env: []string{"A=", "B_1=x=y\nz"}, Dir: t.TempDir()}.Validate())
	for field, j := range map[string]Job{
		"Args": {}, "Env": {Args: []string{"x"}, Env: []string{"A"}}, "Dir": {Args: []string{"x"}, Dir: "/no/such"},
		"Share": {Args: []string{"x"}, Share: "/dev/null"},
	} {
		err := j.Validate()
		require.ErrorIs(t, err, param.ErrInvalid)
		require.ErrorContains(t, err, field)
	}
	require.Error(t, Job{Args: []string{"a\x00b"}}.Validate())
	require.Error(t, Job{Args: []string{"a"}, Env: []string{"A;rm=1"}}.Validate())
}

func TestRunRefusesBadInput(t *testing.T) {
	_, err := Run(context.Background(), Config{CPUs: -1}, Job{})
	require.ErrorIs(t, err, param.ErrInvalid)
	_, err = Run(context.Background(), Config{}, Job{Args: []string{"./no-such-program"}})
	require.ErrorContains(t, err, "no-such-program")
}

func TestCacheDir(t *testing.T) {
	t.Setenv("EVD_CACHE", "/from/env")
	dir, err := Config{CacheDir: "/from/config"}.cacheDir()
	require.NoError(t, err)
	require.Equal(t, "/from/config", dir)
	dir, _ = Config{}.cacheDir()
	require.Equal(t, "/from/env", dir)
	t.Setenv("EVD_CACHE", "")
	t.Setenv("XDG_CACHE_HOME", "/xdg")
	dir, _ = Config{}.cacheDir()
	require.Equal(t, filepath.FromSlash("/xdg/evd"), dir)
	t.Setenv("XDG_CACHE_HOME", "")
	t.Setenv("HOME", "")
	dir, _ = Config{}.cacheDir()
	require.Equal(t, ".cache", filepath.Base(dir))
	require.True(t, filepath.IsAbs(dir))
}

func TestQemuArgs(t *testing.T) {
	c := Config{MemoryMiB: 777, CPUs: 3}.WithDefaults()
	line := strings.Join(qemuArgs(c, AccelTCG, "/k/vmlinuz", "/i/rd", "/s/with,comma"), " ")
	for _, want := range []string{
		"-m 777", "-smp 3", "-accel tcg,thread=multi", "-kernel /k/vmlinuz", "-initrd /i/rd", "-no-reboot",
		"tsc=reliable", "panic=-1", "path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
		"path=/s/with,,comma,mount_tag=share", "file,id=ctl,path=/dev/fd/3", "virtserialport,nr=4,chardev=dmesg",
	} {
		require.Contains(t, line, want)
	}
	require.NotContains(t, line, "icount")
	line = strings.Join(qemuArgs(Config{ICount: true}.WithDefaults(), AccelTCG, "k", "i", "s"), " ")
	require.Contains(t, line, "-smp 1 -accel tcg,thread=single -icount shift=0,sleep=off")
	require.Contains(t, strings.Join(qemuArgs(c, AccelKVM, "k", "i", "s"), " "), "-accel kvm")
}

func TestJobScript(t *testing.T) {
	j := Job{Args: []string{"/bin/it's", "a b", "$(x)"}, Dir: "/w d", Env: []string{"A=1'2", "B="}}
	want := "unset OLDPWD\nexport PATH='/bin'\nexport A='1'\\''2'\nexport B=''\n" +
		"cd '/w d' || exit 125\nexec '/bin/it'\\''s' 'a b' '$(x)'\n"
	require.Equal(t, want, jobScript(j, []string{"PATH=/bin"}))
}

func TestBinds(t *testing.T) {
	require.Equal(t, []string{"/run/x", "/tmp/a", "/tmp/a/b"},
		bindsFor("/tmp/a/b", "/usr/x", "/tmp/a", "/run/x", "/tmp/a", "/tmpfiles/y", "/tmp"))
	root := moduleRoot("/a/b/c", func(p string) bool { return p == filepath.FromSlash("/a/go.mod") })
	require.Equal(t, filepath.FromSlash("/a"), root)
	require.Equal(t, "/a/b", moduleRoot("/a/b", func(string) bool { return false }))
}

func TestMissing(t *testing.T) {
	lack := missing(guestNeeds, func(p string) bool { return p == "rdma" })
	require.Equal(t, []string{"qemu-system-x86", "busybox-static"}, lack)
	require.Equal(t, []string{"b", "c"}, parseStatus([]string{"a", "b", "c"}, "a installed\nb config-files\n\njunk\n"))
	err := error(&MissingError{Packages: lack, Why: "not root", Err: os.ErrPermission})
	require.ErrorContains(t, err, "apt-get install qemu-system-x86 busybox-static")
	require.ErrorContains(t, err, "not root")
	require.ErrorIs(t, err, os.ErrPermission)
}

func TestLockIsExclusive(t *testing.T) {
	if err := supported(); err != nil {
		t.Skip(err)
	}
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = lockFile(ctx, path)
	require.ErrorIs(t, err, context.Canceled)
	unlock()
	unlock, err = lockFile(t.Context(), path)
	require.NoError(t, err)
	unlock()
}

func TestNative(t *testing.T) {
	root := t.TempDir()
	c := Config{}.WithDefaults()
	require.ErrorContains(t, nativeLacks(c, root), "no rxe device")
	put := func(path, content string) {
		path = filepath.Join(root, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	}
	put("sys/class/infiniband/mlx5_0/node_desc", "host mlx5_0\n")
	require.ErrorContains(t, nativeLacks(c, root), "no rxe device")
	put("sys/class/infiniband/rxe7/node_desc", "rxe\n")
	require.Equal(t, "rxe7", rxeDevice(root))
	require.ErrorContains(t, nativeLacks(c, root), "uverbs")
	put("dev/infiniband/uverbs0", "")
	require.NoError(t, nativeLacks(c, root))
	c.ICount = true
	require.Error(t, nativeLacks(c, root))
}

func TestNativeRun(t *testing.T) {
	if err := supported(); err != nil {
		t.Skip(err)
	}
	c := Config{Native: NativeAlways, NoRXE: true}
	var out, errs strings.Builder
	j := Job{
		Args: []string{"/bin/sh", "-c", "echo $EVD_VM $X; pwd; echo e >&2; exit 9"},
		Env:  []string{"X=y"}, Dir: "/", Stdout: &out, Stderr: &errs,
	}
	res, err := Run(t.Context(), c, j)
	require.NoError(t, err)
	require.True(t, res.Native)
	require.Equal(t, 9, res.ExitCode)
	require.Equal(t, "native y\n/\n", out.String())
	require.Equal(t, "e\n", errs.String())
	j.Args = []string{"/bin/sh", "-c", "kill -9 $$"}
	res, err = Run(t.Context(), c, j)
	require.NoError(t, err)
	require.Equal(t, 137, res.ExitCode)
	t.Setenv("EVD_RXE_DEV", "from outside")
	out.Reset()
	j.Args = []string{"/bin/sh", "-c", "echo $EVD_RXE_DEV"}
	_, err = Run(t.Context(), c, j)
	require.NoError(t, err)
	require.Equal(t, "from outside\n", out.String(), "no device asked for, none named")

	// The time limit ends what the job started, too: nobody is left to hold
	// the pipe open.
	r, w, err := os.Pipe()
	require.NoError(t, err)
	defer r.Close()
	c.Timeout = 200 * time.Millisecond
	j.Args, j.Stdout, j.Stderr = []string{"/bin/sh", "-c", "sleep 1000 & sleep 1000"}, w, w
	_, err = Run(t.Context(), c, j)
	require.ErrorIs(t, err, ErrTimeout)
	require.NoError(t, w.Close())
	require.NoError(t, r.SetReadDeadline(time.Now().Add(time.Minute)))
	_, err = io.ReadAll(r)
	require.NoError(t, err)
}

func TestPairRefusesBadInput(t *testing.T) {
	job := Job{Args: []string{"true"}}
	for field, c := range map[string]Config{
		"Veth": {Veth: true}, "NoRXE": {NoRXE: true}, "ICount": {ICount: true}, "Native": {Native: NativeAlways}, "CPUs": {CPUs: -1},
	} {
		_, err := RunPair(t.Context(), c, [2]Job{job, job})
		require.ErrorIs(t, err, param.ErrInvalid, field)
		require.ErrorContains(t, err, field+" = ")
	}
	_, err := RunPair(t.Context(), Config{}, [2]Job{job, {}})
	require.ErrorContains(t, err, "Args")
}

// The second job is not tried when the first guest does not come up.
func TestPairNeedsTheFirst(t *testing.T) {
	if err := supported(); err != nil {
		t.Skip(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	job := Job{Args: []string{"true"}}
	answers, err := RunPair(ctx, Config{}, [2]Job{job, job})
	require.NoError(t, err)
	require.ErrorIs(t, answers[0].Err, context.Canceled)
	require.ErrorContains(t, answers[1].Err, "did not come up")
}

func TestNetwork(t *testing.T) {
	for _, x := range []struct {
		c       Config
		rxe     bool
		net     string
		modules []string
		env     []string
	}{
		{Config{}, true, "", nil, []string{"EVD_RXE_DEV=rxe0"}},
		{Config{NoRXE: true}, false, "", nil, nil},
		{Config{Veth: true, Modules: []string{"veth"}}, false, "veth", []string{"veth", "sch_netem"}, []string{"EVD_RXE_DEV=rxe1", "EVD_RXE_DEV2=rxe2"}},
		{
			Config{node: 2, wire: os.Stdin},
			false, "wire 2",
			[]string{"virtio_net", "sch_netem"},
			[]string{"EVD_RXE_DEV=rxe0", "EVD_NODE=2", "EVD_NODE_ADDR=10.96.0.2", "EVD_PEER_ADDR=10.96.0.1"},
		},
	} {
		rxe, net, modules, env := network(x.c, nil)
		require.Equal(t, x.rxe, rxe)
		require.Equal(t, x.net, net)
		require.Equal(t, x.modules, modules)
		require.Equal(t, x.env, env)
	}
}
