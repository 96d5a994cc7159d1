package vm

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Fetch makes ready what a guest of configuration c needs: host packages and
// the kernel in the cache. With refresh it looks for a newer kernel even if
// one of the series is cached. It returns the kernel's release.
//
// Safe to call from several processes at once: the cache is locked.
func Fetch(ctx context.Context, c Config, refresh bool) (string, error) {
	if err := c.Validate(); err != nil {
		return "", err
	}
	img, err := fetch(ctx, c.WithDefaults(), refresh)
	return img.Release, err
}

func fetch(ctx context.Context, c Config, refresh bool) (image, error) {
	if err := supported(); err != nil {
		return image{}, err
	}
	cache, err := c.cacheDir()
	if err != nil {
		return image{}, err
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return image{}, fmt.Errorf("vm: cache folder (set EVD_CACHE to another): %w", err)
	}
	unlock, err := lockFile(ctx, filepath.Join(cache, "lock"))
	if err != nil {
		return image{}, err
	}
	defer unlock()
	a := &apt{log: c.Log}
	if err := a.ensure(ctx, guestNeeds, c.Packages); err != nil {
		return image{}, err
	}
	release := cachedRelease(cache, c.Kernel)
	if release == "" || refresh {
		newest, err := a.newestKernel(ctx, c.Kernel)
		switch {
		case err == nil:
			release = newest
		case release == "":
			return image{}, err
		default:
			fmt.Fprintln(c.Log, "vm: keeping the cached kernel", release+":", err)
		}
	}
	if img, err := loadImage(imageDir(cache, release)); err == nil {
		return img, nil
	}
	return download(ctx, a, cache, release)
}

func download(ctx context.Context, a *apt, cache, release string) (image, error) {
	tmp, err := os.MkdirTemp(cache, "download-")
	if err != nil {
		return image{}, err
	}
	defer os.RemoveAll(tmp)
	start := time.Now()
	deb, err := a.download(ctx, tmp, packagePrefix+release)
	if err != nil {
		return image{}, err
	}
	img, err := unpackImage(ctx, cache, release, deb)
	if err == nil {
		fmt.Fprintf(a.log, "vm: kernel %s ready in %.1f s, cached in %s\n", release, time.Since(start).Seconds(), img.Dir)
	}
	return img, err
}
