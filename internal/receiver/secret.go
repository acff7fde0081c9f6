package receiver

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
)

const (
	// MinSecretLength is the length in bytes below which a secret is refused: what is shorter can be guessed.
	MinSecretLength = 16
	// maxSecrets bounds how often the body of a forged delivery is hashed.
	maxSecrets = 8
	// maxSecretFile bounds what is read of the file, in bytes.
	maxSecretFile = 16 << 10
	// reloadInterval is how long a secret that was read is good for.
	reloadInterval = 5 * time.Second
)

// ParseSecrets reads a file of webhook secrets: one a line, without the white space around it; empty lines do not count. The
// error names the line and what is wrong with it, never what it holds.
func ParseSecrets(file []byte) ([][]byte, error) {
	var secrets [][]byte
	lines := bufio.NewScanner(bytes.NewReader(file))
	for number := 1; lines.Scan(); number++ {
		secret := bytes.TrimSpace(lines.Bytes())
		if len(secret) == 0 {
			continue
		}
		if len(secret) < MinSecretLength {
			return nil, fmt.Errorf("line %d: a secret of %d characters can be guessed: take %d at least, as from: openssl rand -hex 32", number, len(secret), MinSecretLength)
		}
		secrets = append(secrets, bytes.Clone(secret))
	}
	switch {
	case lines.Err() != nil:
		return nil, fmt.Errorf("splitting it into lines: %w", lines.Err())
	case len(secrets) == 0:
		return nil, errors.New("it holds no secret: put one in, as from: openssl rand -hex 32")
	case len(secrets) > maxSecrets:
		return nil, fmt.Errorf("it holds %d secrets: %d at most, one a line; two are enough to change from one to the next", len(secrets), maxSecrets)
	}
	return secrets, nil
}

// Secrets are the accepted secrets of a file, which is read again while deliveries come in, so that a change of it counts
// within seconds. A file that cannot be used later changes nothing but the log.
type Secrets struct {
	path  string
	clock clock.PassiveClock
	log   logr.Logger

	mu      sync.Mutex
	secrets [][]byte
	readAt  time.Time
	problem string // what was wrong with the file when it was read last
}

// OpenSecrets reads the file at path. It is an error if there is no good secret in it.
func OpenSecrets(path string, now clock.PassiveClock, log logr.Logger) (*Secrets, error) {
	secrets, err := readSecrets(path)
	if err != nil {
		return nil, err
	}
	return &Secrets{path: path, clock: now, log: log, secrets: secrets, readAt: now.Now()}, nil
}

func readSecrets(path string) ([][]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the webhook secrets: %w", err)
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, maxSecretFile+1))
	if err != nil {
		return nil, fmt.Errorf("reading the webhook secrets: %w", err)
	}
	if len(content) > maxSecretFile {
		return nil, fmt.Errorf("reading the webhook secrets: %s has more than %d bytes: it is no file of secrets", path, maxSecretFile)
	}
	secrets, err := ParseSecrets(content)
	if err != nil {
		return nil, fmt.Errorf("reading the webhook secrets: %s: %w", path, err)
	}
	return secrets, nil
}

// Signed tells whether signature is the HMAC-SHA256 of body under one of the secrets. All are tried in any case, and
// each is compared in constant time.
func (s *Secrets) Signed(body, signature []byte) bool {
	right := false
	for _, secret := range s.current() {
		mac := hmac.New(sha256.New, secret)
		mac.Write(body)
		if hmac.Equal(mac.Sum(nil), signature) {
			right = true
		}
	}
	return right
}

// current are the secrets of the file as it was a few seconds ago at most.
func (s *Secrets) current() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now := s.clock.Now(); now.Sub(s.readAt) >= reloadInterval {
		s.readAt = now
		s.reload()
	}
	return s.secrets
}

func (s *Secrets) reload() {
	secrets, err := readSecrets(s.path)
	if err == nil {
		s.secrets, s.problem = secrets, ""
		return
	}
	if err.Error() != s.problem { // once, however many deliveries come
		s.problem = err.Error()
		s.log.Error(err, "the webhook secrets of before stay in use")
	}
}
