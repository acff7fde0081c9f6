package link

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"k8s.io/cli-runtime/pkg/genericiooptions"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	gh "katkit.dev/katkit/internal/github"
)

// maxKey is more than any private key has, in bytes.
const maxKey = 64 << 10

// app are the flags of a GitHub App: all of them are given, or none.
type app struct {
	id, installation int64
	keyFile          string
}

func (a app) given() bool { return a.keyFile != "" }

// read makes the data of a Secret of the flags. The error never has a part of the key in it.
func (a app) read(streams genericiooptions.IOStreams) (map[string][]byte, error) {
	switch {
	case a.id < 1:
		return nil, errors.New("--app-id is a number of GitHub's, such as 12345")
	case a.installation < 1:
		return nil, errors.New("--app-installation-id is a number of GitHub's, such as 12345")
	}
	if bytes.Contains([]byte(a.keyFile), []byte("-----BEGIN")) {
		return nil, errors.New("--app-private-key-file takes the name of a file, and was given what looks like a key." +
			" It is in your shell's history now: delete the key in the App's settings, and make a new one")
	}
	key, err := readFile(streams, a.keyFile, maxKey)
	if err != nil {
		return nil, fmt.Errorf("reading the App's private key: %w", err)
	}
	if len(key) > maxKey {
		return nil, fmt.Errorf("--app-private-key-file %s is over %d KiB, which no private key has", shown(a.keyFile), maxKey>>10)
	}
	if _, err := gh.ParsePrivateKey(key); err != nil {
		return nil, fmt.Errorf("--app-private-key-file %s: %w", shown(a.keyFile), err)
	}
	return map[string][]byte{
		v1alpha1.SecretKeyAppID:             []byte(strconv.FormatInt(a.id, 10)),
		v1alpha1.SecretKeyAppInstallationID: []byte(strconv.FormatInt(a.installation, 10)),
		v1alpha1.SecretKeyAppPrivateKey:     key,
	}, nil
}

// credentialKeys are all keys of a Secret that this verb sets, or removes: of a token, and of an App.
func credentialKeys() []string {
	return []string{v1alpha1.SecretKeyToken, v1alpha1.SecretKeyAppID, v1alpha1.SecretKeyAppInstallationID, v1alpha1.SecretKeyAppPrivateKey}
}

// sameCredential tells whether two Secrets hold the same token or App.
func sameCredential(one, other map[string][]byte) bool {
	for _, key := range credentialKeys() {
		if !bytes.Equal(one[key], other[key]) {
			return false
		}
	}
	return true
}
