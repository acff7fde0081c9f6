package image

import (
	"archive/tar"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

func TestTheSameFilesMakeTheSameImage(t *testing.T) {
	files := []File{
		{Path: "bin/", Mode: 0o755, Dir: true},
		{Path: "bin/tool", Mode: 0o755, Content: []byte("program")},
		{Path: "bin/other", Mode: 0o755, Link: "bin/tool"},
	}
	var digests []string
	for range 2 {
		img, err := Build(files, v1.Config{Entrypoint: []string{"/bin/tool"}})
		if err != nil {
			t.Fatal(err)
		}
		digest, err := img.Digest()
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest.String())
	}
	if digests[0] != digests[1] {
		t.Errorf("two digests: %q", digests)
	}
}

func TestBuildKeepsFilesAndConfiguration(t *testing.T) {
	img, err := Build([]File{{Path: "bin/tool", Mode: 0o755, Content: []byte("program")}, {Path: "bin/other", Link: "bin/tool"}}, v1.Config{Cmd: []string{"x"}})
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if config.OS != "linux" || config.Architecture == "" || !slices.Equal(config.Config.Cmd, []string{"x"}) || len(config.RootFS.DiffIDs) != 1 {
		t.Errorf("unexpected configuration %+v", config)
	}
	layers, err := img.Layers()
	if err != nil {
		t.Fatal(err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	defer content.Close()
	var got []string
	for r := tar.NewReader(content); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, header.Name+" "+header.Linkname)
	}
	if want := []string{"bin/tool ", "bin/other bin/tool"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestParseApt(t *testing.T) {
	targets := `Packages Google cloud-sdk-bookworm main http://packages.example/apt/
DEP-11 Debian bookworm main http://not-packages.example/debian/
Packages Debian bookworm main http://user:secret@mirror.example/debian/
Packages Debian bookworm main file:/srv/debian/
Packages Debian bookworm contrib http://contrib.example/debian/
Packages Debian bookworm main http://mirror.example/debian/
Packages Debian bookworm-security main http://mirror.example/debian-security/
`
	settings := `Acquire "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::http::Pipeline-Depth "5";
Acquire::Check-Valid-Until "false";
`
	a := parseApt(targets, settings)
	if a.Mirror != "http://mirror.example/debian/" || a.Security != "http://mirror.example/debian-security/" {
		t.Errorf("mirror %s, security %s", a.Mirror, a.Security)
	}
	if want := []string{`Acquire::http::Proxy "http://proxy.example:3128";`, `Acquire::Check-Valid-Until "false";`}; !slices.Equal(a.Settings, want) {
		t.Errorf("settings %q, want %q", a.Settings, want)
	}
	if sources := a.sources(); !strings.Contains(sources, "URIs: http://mirror.example/debian/\nSuites: bookworm bookworm-updates\n") {
		t.Errorf("sources:\n%s", sources)
	}
	other := parseApt("", "")
	if other.Mirror != "http://deb.debian.org/debian/" || other.key() == a.key() {
		t.Errorf("without settings: %+v; its key must differ from that of other settings", other)
	}
}
