package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// manifestTypes are what a registry may answer with for an image.
const manifestTypes = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, " +
	"application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json"

// imageRepository is an image's name without its tag.
func imageRepository(image string) string {
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		return image[:colon]
	}
	return image
}

// tag gives an image of the cluster's registry one more name, which may be of another repository only where the
// registry has all repositories' layers in one place, as the local cluster's has.
func (e *environment) tag(ctx context.Context, image, name string) error {
	manifest, kind, err := e.manifest(ctx, http.MethodGet, image, nil, manifestTypes)
	if err != nil {
		return err
	}
	_, _, err = e.manifest(ctx, http.MethodPut, name, manifest, kind)
	return err
}

// manifest reads or writes an image's manifest, in the terms of the distribution specification.
func (e *environment) manifest(ctx context.Context, method, image string, body []byte, kind string) (manifest []byte, kindOf string, err error) {
	path, found := strings.CutPrefix(imageRepository(image), e.Registry.Pull+"/")
	if !found {
		return nil, "", fmt.Errorf("image %s is not of the registry %s", image, e.Registry.Pull)
	}
	host, prefix, _ := strings.Cut(e.Registry.Push, "/")
	if prefix != "" {
		path = prefix + "/" + path
	}
	url := fmt.Sprintf("%s://%s/v2/%s/manifests/%s", e.Registry.Scheme, host, path, strings.TrimPrefix(image, imageRepository(image)+":"))
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	request.Header.Set("Accept", kind)
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	manifest, err = io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %s: %s", method, url, response.Status, manifest)
	}
	return manifest, response.Header.Get("Content-Type"), err
}
