package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
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

// pushImage makes an image of one layer, uncompressed, and returns its name, whose tag is of what is in it.
func (e *environment) pushImage(ctx context.Context, repository string, layer []byte) (image string, err error) {
	type descriptor struct {
		MediaType string `json:"mediaType"`
		Digest    string `json:"digest"`
		Size      int    `json:"size"`
	}
	blob := func(kind string, content []byte) descriptor {
		return descriptor{MediaType: kind, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(content)), Size: len(content)}
	}
	files := blob("application/vnd.oci.image.layer.v1.tar", layer)
	config, err := json.Marshal(map[string]any{
		"architecture": runtime.GOARCH, "os": "linux", "config": struct{}{},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{files.Digest}},
	})
	if err != nil {
		return "", err
	}
	about := blob("application/vnd.oci.image.config.v1+json", config)
	const kind = "application/vnd.oci.image.manifest.v1+json"
	manifest, err := json.Marshal(map[string]any{"schemaVersion": 2, "mediaType": kind, "config": about, "layers": []descriptor{files}})
	if err != nil {
		return "", err
	}
	for digest, content := range map[string][]byte{files.Digest: layer, about.Digest: config} {
		if err := e.upload(ctx, repository, digest, content); err != nil {
			return "", err
		}
	}
	image = fmt.Sprintf("%s:%x", repository, sha256.Sum256(manifest))
	_, _, err = e.manifest(ctx, http.MethodPut, image, manifest, kind)
	return image, err
}

// upload brings the registry a part of an image.
func (e *environment) upload(ctx context.Context, repository, digest string, content []byte) error {
	begin, err := e.repositoryURL(repository)
	if err != nil {
		return err
	}
	begin += "/blobs/uploads/"
	header, _, err := call(ctx, http.MethodPost, begin, nil, "")
	if err != nil {
		return err
	}
	from, err := url.Parse(begin)
	if err != nil {
		return err
	}
	to, err := from.Parse(header.Get("Location"))
	if err != nil {
		return err
	}
	query := to.Query()
	query.Set("digest", digest)
	to.RawQuery = query.Encode()
	_, _, err = call(ctx, http.MethodPut, to.String(), content, "application/octet-stream")
	return err
}

// manifest reads or writes an image's manifest, in the terms of the distribution specification.
func (e *environment) manifest(ctx context.Context, method, image string, body []byte, kind string) (manifest []byte, kindOf string, err error) {
	repository := imageRepository(image)
	at, err := e.repositoryURL(repository)
	if err != nil {
		return nil, "", err
	}
	header, manifest, err := call(ctx, method, at+"/manifests/"+strings.TrimPrefix(image, repository+":"), body, kind)
	if err != nil {
		return nil, "", err
	}
	return manifest, header.Get("Content-Type"), nil
}

// repositoryURL is where the registry's API has a repository.
func (e *environment) repositoryURL(repository string) (string, error) {
	path, found := strings.CutPrefix(repository, e.Registry.Pull+"/")
	if !found {
		return "", fmt.Errorf("image %s is not of the registry %s", repository, e.Registry.Pull)
	}
	host, prefix, _ := strings.Cut(e.Registry.Push, "/")
	if prefix != "" {
		path = prefix + "/" + path
	}
	return fmt.Sprintf("%s://%s/v2/%s", e.Registry.Scheme, host, path), nil
}

// call asks the registry, and returns its answer; an error, if it is none of success.
func call(ctx context.Context, method, url string, body []byte, kind string) (header http.Header, answer []byte, err error) {
	request, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	request.Header.Set("Accept", kind)
	request.Header.Set("Content-Type", kind)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	if err == nil && response.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("%s %s: %s: %s", method, url, response.Status, answer)
	}
	return response.Header, answer, err
}
