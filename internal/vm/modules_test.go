package vm

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestModuleName(t *testing.T) {
	for in, want := range map[string]string{
		"./lib/modules/6.1/kernel/arch/x86/crypto/crc32-pclmul.ko.xz": "crc32_pclmul",
		"rdma_rxe.ko":                       "rdma_rxe",
		"kernel/net/9p/9pnet_virtio.ko.zst": "9pnet_virtio",
	} {
		require.Equal(t, want, moduleName(in))
	}
}

func TestParseModinfo(t *testing.T) {
	section := "license=GPL\x00depends=ib-core,ib_uverbs,,udp_tunnel\x00name=rdma_rxe\x00" +
		"softdep=pre: crc32c ib_core post: late\x00\x00vermagic=6.12 depends=no\x00"
	require.Equal(t, []string{"ib_core", "ib_uverbs", "udp_tunnel", "crc32c"}, parseModinfo([]byte(section)))
	require.Empty(t, parseModinfo([]byte("depends=\x00")))
	require.Empty(t, parseModinfo(nil))
}

func TestModuleDepsRefusesJunk(t *testing.T) {
	_, err := moduleDeps([]byte("no elf file at all"))
	require.Error(t, err)
}

func TestLoadOrder(t *testing.T) {
	deps := map[string][]string{
		"rxe": {"core", "tunnel"}, "core": {"base"}, "tunnel": nil, "base": nil,
		"loop1": {"loop2"}, "loop2": {"loop1"}, "half": {"builtin"},
	}
	look := func(n string) ([]string, bool) { d, ok := deps[n]; return d, ok }
	got := loadOrder([]string{"rxe", "core", "half", "nowhere", "loop1"}, look)
	require.Equal(t, []string{"base", "core", "tunnel", "rxe", "half", "loop2", "loop1"}, got)
	for _, m := range []string{"rxe", "core"} {
		for _, d := range deps[m] {
			require.Less(t, slices.Index(got, d), slices.Index(got, m))
		}
	}
}
