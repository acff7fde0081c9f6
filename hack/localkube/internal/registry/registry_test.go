package registry

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// serve opens the registry in dir, as after a restart, and returns its HOST:PORT.
func serve(t *testing.T, dir string) string {
	t.Helper()
	handler, err := Open(dir, log.New(io.Discard, "", 0))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func reference(t *testing.T, s string) name.Reference {
	t.Helper()
	ref, err := name.ParseReference(s)
	if err != nil {
		t.Fatal(err)
	}
	return ref
}

func digest(t *testing.T, of interface{ Digest() (v1.Hash, error) }) v1.Hash {
	t.Helper()
	h, err := of.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestImagesOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	img, err := random.Image(1024, 2)
	if err != nil {
		t.Fatal(err)
	}
	index, err := random.Index(1024, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	host := serve(t, dir)
	if err := remote.Write(reference(t, host+"/app:v1"), img); err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(reference(t, host+"/team/app:all"), index); err != nil {
		t.Fatal(err)
	}

	host = serve(t, dir)
	got, err := remote.Image(reference(t, host+"/app:v1"))
	if err != nil {
		t.Fatal(err)
	}
	if digest(t, got) != digest(t, img) {
		t.Errorf("app:v1 is another image after the restart")
	}
	layers, err := got.Layers()
	if err != nil || len(layers) != 2 {
		t.Fatalf("layers: %d, %v", len(layers), err)
	}
	if r, err := layers[0].Compressed(); err != nil {
		t.Errorf("a layer is gone: %v", err)
	} else {
		r.Close()
	}
	if gotIndex, err := remote.Index(reference(t, host+"/team/app:all")); err != nil {
		t.Errorf("the index is gone: %v", err)
	} else if digest(t, gotIndex) != digest(t, index) {
		t.Errorf("team/app:all is another index after the restart")
	}
}

func TestAMovedTagStaysMovedAndTheOldImageStaysByDigest(t *testing.T) {
	dir := t.TempDir()
	host := serve(t, dir)
	var images []v1.Image
	for range 2 {
		img, err := random.Image(256, 1)
		if err != nil {
			t.Fatal(err)
		}
		if err := remote.Write(reference(t, host+"/app:latest"), img); err != nil {
			t.Fatal(err)
		}
		images = append(images, img)
	}
	host = serve(t, dir)
	got, err := remote.Head(reference(t, host+"/app:latest"))
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != digest(t, images[1]) {
		t.Errorf("the tag went back to %s", got.Digest)
	}
	if _, err := remote.Head(reference(t, host+"/app@"+digest(t, images[0]).String())); err != nil {
		t.Errorf("the first image is gone: %v", err)
	}
}

func TestADeletedTagStaysDeleted(t *testing.T) {
	dir := t.TempDir()
	host := serve(t, dir)
	img, err := random.Image(256, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref := reference(t, host+"/app:gone")
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	if err := remote.Delete(ref); err != nil {
		t.Fatal(err)
	}
	if _, err := remote.Head(reference(t, serve(t, dir)+"/app:gone")); err == nil {
		t.Error("the tag is back after a restart")
	}
}

func TestARefusedManifestIsNotKept(t *testing.T) {
	dir := t.TempDir()
	host := serve(t, dir)
	put := func(body string) int {
		r, err := http.NewRequest(http.MethodPut, "http://"+host+"/v2/app/manifests/bad", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/vnd.oci.image.index.v1+json")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		return answer.StatusCode
	}
	if code := put("no JSON"); code < 400 {
		t.Fatalf("a broken index was accepted with %d", code)
	}
	if kept, err := os.ReadDir(filepath.Join(dir, "manifests")); err != nil || len(kept) > 0 {
		t.Errorf("kept: %v, %v", kept, err)
	}
}
