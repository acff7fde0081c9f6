package receiver

import (
	"errors"
	"io"
	"net/http"

	"golang.org/x/sync/semaphore"
)

const (
	// MaxBodySize is GitHub's own limit of a payload, in bytes.
	MaxBodySize = 25 << 20
	// MaxBytesInFlight bounds the bodies of all deliveries that are being received or looked at, in bytes.
	MaxBytesInFlight = 48 << 20
	// firstRead is what is set aside for a body before its first byte has come; most fit.
	firstRead = 32 << 10
)

// Why a body is not read.
var (
	errTooLarge   = errors.New("the body is larger than GitHub's limit")
	errOverloaded = errors.New("too many bytes are in flight")
)

// bodies reads bodies within one bound for all. A body counts with the memory that it takes, which grows with what has come
// of it and not with what its Content-Length promises, so that nobody keeps others out by promises.
type bodies struct {
	inFlight *semaphore.Weighted
}

func newBodies(bytes int64) *bodies { return &bodies{inFlight: semaphore.NewWeighted(bytes)} }

// read returns the raw body of a request. release has to be called when it is needed no more, also after an error, which
// is errTooLarge, errOverloaded, or one of the connection.
func (b *bodies) read(r *http.Request) (body []byte, release func(), err error) {
	var held int64
	release = func() { b.inFlight.Release(held) }
	if r.ContentLength > MaxBodySize {
		return nil, release, errTooLarge
	}
	most := r.ContentLength // net/http reads no more than that
	if most < 0 {
		most = MaxBodySize
	}
	// One byte more than the body may have, so that its end is seen without growing.
	for size := min(most+1, firstRead); ; size = min(2*size, most+1) {
		if !b.inFlight.TryAcquire(size - held) {
			return nil, release, errOverloaded
		}
		held = size
		grown := make([]byte, len(body), size)
		copy(grown, body)
		body, err = fill(r.Body, grown)
		switch {
		case errors.Is(err, io.EOF):
			return body, release, nil
		case err != nil:
			return nil, release, err
		case int64(len(body)) > most:
			return nil, release, errTooLarge
		}
	}
}

// fill reads until the capacity of body is used up, or to an error, io.EOF included.
func fill(from io.Reader, body []byte) ([]byte, error) {
	for len(body) < cap(body) {
		n, err := from.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		if err != nil {
			return body, err
		}
	}
	return body, nil
}
