package image

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// DebianSuite is the release of the Debian base image, whatever the machine runs itself.
const DebianSuite = "bookworm"

// debianRecipe is part of the cache key: a change of how the image is made makes it anew.
const debianRecipe = "2"

const archiveKeyring = "/usr/share/keyrings/debian-archive-keyring.gpg"

// Apt is how this machine reaches Debian's packages. The image gets the same, so that `apt-get install`
// works in a Dockerfile wherever it works outside.
type Apt struct {
	Mirror   string   // URL of the archive
	Security string   // URL of the security archive
	Settings []string // lines of apt.conf: proxy and how strictly dates are checked
}

// MachineApt reads this machine's settings from apt; what it does not tell is Debian's default.
func MachineApt(ctx context.Context) Apt {
	targets, _ := exec.CommandContext(ctx, "apt-get", "indextargets", "--format", "$(IDENTIFIER) $(ORIGIN) $(RELEASE) $(COMPONENT) $(REPO_URI)").Output()
	settings, _ := exec.CommandContext(ctx, "apt-config", "dump").Output()
	return parseApt(string(targets), string(settings))
}

func parseApt(targets, settings string) Apt {
	a := Apt{Mirror: "http://deb.debian.org/debian/", Security: "http://deb.debian.org/debian-security/"}
	var mirrors, security []string
	for line := range strings.Lines(targets) {
		fields := strings.Fields(line)
		if len(fields) != 5 || fields[0] != "Packages" || fields[1] != "Debian" || fields[3] != "main" {
			continue
		}
		if u, err := url.Parse(fields[4]); err != nil || u.User != nil || (u.Scheme != "http" && u.Scheme != "https") {
			continue // a password does not belong into an image, and a local archive cannot be reached from it
		}
		if strings.HasSuffix(fields[2], "-security") {
			security = append(security, fields[4])
		} else {
			mirrors = append(mirrors, fields[4])
		}
	}
	if len(mirrors) > 0 {
		a.Mirror = mirrors[0]
	}
	if len(security) > 0 {
		a.Security = security[0]
	}
	for line := range strings.Lines(settings) {
		line = strings.TrimSpace(line)
		name, _, _ := strings.Cut(line, " ")
		if slices.Contains([]string{"Acquire::http::Proxy", "Acquire::https::Proxy", "Acquire::Check-Valid-Until", "Acquire::Check-Date"}, name) {
			a.Settings = append(a.Settings, line)
		}
	}
	return a
}

// sources is the image's /etc/apt/sources.list.d/debian.sources.
func (a Apt) sources() string {
	const stanza = "Types: deb\nURIs: %s\nSuites: %s\nComponents: main\nSigned-By: %s\n"
	return fmt.Sprintf(stanza, a.Mirror, DebianSuite+" "+DebianSuite+"-updates", archiveKeyring) + "\n" +
		fmt.Sprintf(stanza, a.Security, DebianSuite+"-security", archiveKeyring)
}

// files are what is added to the fresh system, by path. The rest is as in Debian's own slim image: no
// documentation, and nothing kept of what apt downloads.
func (a Apt) files() map[string]string {
	return map[string]string{
		"etc/apt/sources.list.d/debian.sources": a.sources(),
		"etc/apt/apt.conf.d/90machine":          strings.Join(a.Settings, "\n") + "\n",
		"etc/apt/apt.conf.d/90image":            "APT::Install-Recommends \"false\";\nAcquire::Languages \"none\";\nDir::Cache::pkgcache \"\";\nDir::Cache::srcpkgcache \"\";\nDPkg::Post-Invoke { \"rm -f /var/cache/apt/archives/*.deb\"; };\n",
		"etc/dpkg/dpkg.cfg.d/slim":              "path-exclude /usr/share/doc/*\npath-include /usr/share/doc/*/copyright\npath-exclude /usr/share/man/*\npath-exclude /usr/share/info/*\npath-exclude /usr/share/locale/*\n",
		"usr/sbin/policy-rc.d":                  "#!/bin/sh\nexit 101\n",
	}
}

// leftOut are the paths of the fresh system that the image does without, as tar patterns.
var leftOut = []string{
	"./dev/*", "./proc/*", "./sys/*", "./tmp/*", "./run/*", "./debootstrap",
	"./var/cache/apt/*", "./var/lib/apt/lists/*", "./var/log/*", "./etc/resolv.conf", "./etc/hostname", "./etc/apt/sources.list",
	"./usr/share/man/*", "./usr/share/info/*", "./usr/share/locale/*", "./usr/share/doc/*/changelog*", "./usr/share/doc/*/NEWS*", "./usr/share/doc/*/README*",
}

// debianTar makes the Debian base system once, in the cache folder, and returns the path of its tar file.
// It needs root, and one caller at a time. status is told what is done.
func debianTar(ctx context.Context, cache string, a Apt, status func(string)) (string, error) {
	path := filepath.Join(cache, fmt.Sprintf("debian-%s-%s.tar.gz", DebianSuite, a.key()))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	// Not below /tmp, which may forbid devices and programs.
	root := filepath.Join(cache, ".debian")
	// One that was killed may have left it. Its mode becomes that of the image's root, whatever the umask.
	if err := errors.Join(os.RemoveAll(root), os.Mkdir(root, 0o755), os.Chmod(root, 0o755)); err != nil {
		return "", err
	}
	defer os.RemoveAll(root)
	status("debootstrap")
	if err := inOwnMounts(ctx, "debootstrap", "--variant=minbase", "--keyring="+archiveKeyring, DebianSuite, root, a.Mirror); err != nil {
		return "", err
	}
	for name, content := range a.files() {
		mode := os.FileMode(0o644)
		if strings.HasPrefix(content, "#!") {
			mode = 0o755
		}
		if err := os.WriteFile(filepath.Join(root, name), []byte(content), mode); err != nil {
			return "", err
		}
	}
	status("packing")
	args := []string{"--create", "--gzip", "--file", path + ".new", "--directory", root, "--numeric-owner", "--sort=name"}
	for _, pattern := range leftOut {
		args = append(args, "--exclude="+pattern)
	}
	if err := inOwnMounts(ctx, "tar", append(args, ".")...); err != nil {
		return "", err
	}
	return path, os.Rename(path+".new", path)
}

// PublishDebian makes the Debian base image, once, and puts it into a registry. What was pushed is noted
// beside the tar file, since to tell its digest again takes reading all of it.
func PublishDebian(ctx context.Context, registry, repository, cache string, a Apt, status func(string)) error {
	tar, err := debianTar(ctx, cache, a, status)
	if err != nil {
		return err
	}
	note := tar + ".digest"
	if digest, err := os.ReadFile(note); err == nil && holds(ctx, registry, repository, string(digest)) {
		return nil
	}
	status("pushing")
	img, err := fromTar(tar, debianConfig)
	if err != nil {
		return err
	}
	digest, err := img.Digest()
	if err != nil {
		return err
	}
	if err := Push(ctx, registry, repository, img); err != nil {
		return err
	}
	return os.WriteFile(note, []byte(digest.String()), 0o644)
}

// debianConfig is how containers of the Debian image start.
var debianConfig = v1.Config{Cmd: []string{"bash"}, Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}}

func (a Apt) key() string {
	h := sha256.New()
	fmt.Fprintf(h, "%s %q %v %v", debianRecipe, a, a.files(), leftOut)
	return fmt.Sprintf("%x", h.Sum(nil)[:6])
}

// inOwnMounts runs a program whose mounts (debootstrap mounts /proc and /sys for the new system) end with it.
func inOwnMounts(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	output, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(output)), "\n")
		return fmt.Errorf("%s: %w:\n%s", name, err, strings.Join(lines[max(len(lines)-10, 0):], "\n"))
	}
	return nil
}
