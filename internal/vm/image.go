package vm

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// imageFormat changes when an image made by older code would no longer do.
const imageFormat = 1

// image is a kernel with the modules a guest may need, kept in the cache as
// vmlinuz, modules/NAME.ko (decompressed) and image.json.
type image struct {
	Release string              // of the kernel
	Deps    map[string][]string // module to its direct dependencies
	BuiltIn map[string]bool     // wanted modules that the kernel contains
	Dir     string              `json:"-"`
}

func (m image) order(wanted []string) []string {
	return loadOrder(wanted, func(name string) ([]string, bool) {
		d, ok := m.Deps[name]
		return d, ok
	})
}

func (m image) vmlinuz() string { return filepath.Join(m.Dir, "vmlinuz") }

func imageDir(cache, release string) string {
	return filepath.Join(cache, fmt.Sprintf("kernel-%s-f%d", release, imageFormat))
}

// loadImage reads a cached image.
func loadImage(dir string) (image, error) {
	m := image{Dir: dir}
	b, err := os.ReadFile(filepath.Join(dir, "image.json"))
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return m, fmt.Errorf("vm: %s/image.json: %w", dir, err)
	}
	_, err = os.Stat(m.vmlinuz())
	return m, err
}

// cachedRelease returns the newest cached release that satisfies want, or "".
func cachedRelease(cache, want string) string {
	dirs, _ := filepath.Glob(filepath.Join(cache, fmt.Sprintf("kernel-*-f%d", imageFormat)))
	var names []string
	for _, d := range dirs {
		release := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(d), "kernel-"), fmt.Sprintf("-f%d", imageFormat))
		if _, err := loadImage(d); err == nil {
			names = append(names, packagePrefix+release)
		}
	}
	return newestRelease(names, want)
}

// unpackImage makes the image of a kernel package in the cache. A half-made
// one is never seen: it becomes visible by a rename.
func unpackImage(ctx context.Context, cache, release, deb string) (image, error) {
	files, err := readKernelPackage(ctx, deb)
	if err != nil {
		return image{}, err
	}
	tmp, err := os.MkdirTemp(cache, "unpack-")
	if err != nil {
		return image{}, err
	}
	defer os.RemoveAll(tmp)
	m, err := buildImage(ctx, tmp, release, files)
	if err != nil {
		return image{}, err
	}
	dir := imageDir(cache, release)
	if err := os.RemoveAll(dir); err != nil {
		return image{}, err
	}
	m.Dir = dir
	return m, os.Rename(tmp, dir)
}

// packageFiles is what a kernel package holds that matters here.
type packageFiles struct {
	vmlinuz []byte
	modules map[string][]byte // module name to file content
	suffix  map[string]string // module name to ".ko" or ".ko.xz"
	builtin []string          // names of modules built in
}

// readKernelPackage streams the package's files past and keeps what counts,
// rather than unpacking half a gigabyte.
func readKernelPackage(ctx context.Context, deb string) (packageFiles, error) {
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return packageFiles{}, err
	}
	if err := cmd.Start(); err != nil {
		return packageFiles{}, fmt.Errorf("vm: dpkg-deb: %w", err)
	}
	files, err := readKernelTar(pipe)
	if err != nil {
		cmd.Process.Kill()
		cmd.Wait()
		return files, fmt.Errorf("vm: %s: %w", deb, err)
	}
	io.Copy(io.Discard, pipe)
	if err := cmd.Wait(); err != nil {
		return files, fmt.Errorf("vm: dpkg-deb %s: %w: %s", deb, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return files, nil
}

func readKernelTar(r io.Reader) (packageFiles, error) {
	files := packageFiles{modules: map[string][]byte{}, suffix: map[string]string{}}
	t := tar.NewReader(r)
	for {
		h, err := t.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return files, err
		}
		base := path.Base(h.Name)
		_, suffix, isModule := strings.Cut(base, ".ko")
		isModule = isModule && slices.Contains([]string{"", ".xz", ".zst", ".gz"}, suffix)
		isKernel := strings.HasPrefix(base, "vmlinuz-")
		if h.Typeflag != tar.TypeReg || !(isModule || isKernel || base == "modules.builtin") {
			continue
		}
		b, err := io.ReadAll(t)
		if err != nil {
			return files, err
		}
		switch {
		case isKernel:
			files.vmlinuz = b
		case isModule:
			files.modules[moduleName(base)] = b
			files.suffix[moduleName(base)] = ".ko" + suffix
		default:
			for line := range strings.Lines(string(b)) {
				files.builtin = append(files.builtin, moduleName(strings.TrimSpace(line)))
			}
		}
	}
	if files.vmlinuz == nil || len(files.modules) == 0 {
		return files, fmt.Errorf("no kernel with modules in it")
	}
	return files, nil
}

// buildImage writes the wanted modules and all they depend on into dir.
func buildImage(ctx context.Context, dir, release string, files packageFiles) (image, error) {
	m := image{Release: release, Deps: map[string][]string{}, BuiltIn: map[string]bool{}, Dir: dir}
	if err := os.Mkdir(filepath.Join(dir, "modules"), 0o755); err != nil {
		return m, err
	}
	if err := os.WriteFile(m.vmlinuz(), files.vmlinuz, 0o644); err != nil {
		return m, err
	}
	var failed error
	wanted := slices.Concat(bootModules, ExtraModules)
	loadOrder(wanted, func(name string) ([]string, bool) {
		packed, ok := files.modules[name]
		if !ok || failed != nil {
			return nil, false
		}
		ko, err := decompress(ctx, packed, files.suffix[name])
		if err == nil {
			m.Deps[name], err = moduleDeps(ko)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "modules", name+".ko"), ko, 0o644)
		}
		if err != nil {
			failed = fmt.Errorf("vm: module %s of %s: %w", name, release, err)
		}
		return m.Deps[name], err == nil
	})
	if failed != nil {
		return m, failed
	}
	for _, w := range wanted {
		m.BuiltIn[w] = slices.Contains(files.builtin, w)
		if _, ok := m.Deps[w]; !ok && !m.BuiltIn[w] && !slices.Contains(optionalModules, w) {
			return m, fmt.Errorf("vm: kernel %s has no module %s: it cannot be used", release, w)
		}
	}
	b, err := json.MarshalIndent(m, "", "\t")
	if err != nil {
		return m, err
	}
	return m, os.WriteFile(filepath.Join(dir, "image.json"), b, 0o644)
}

// decompress unpacks a module file by its suffix. Busybox, which the guest
// needs anyway, does the work.
func decompress(ctx context.Context, b []byte, suffix string) ([]byte, error) {
	tool := map[string]string{".ko": "", ".ko.xz": "unxz", ".ko.gz": "gunzip"}
	applet, ok := tool[suffix]
	if !ok {
		return nil, fmt.Errorf("unknown compression %q", suffix)
	}
	if applet == "" {
		return b, nil
	}
	cmd := exec.CommandContext(ctx, "busybox", applet, "-c")
	cmd.Stdin = bytes.NewReader(b)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("busybox %s: %w: %s", applet, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
