package receiver

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/types"

	"katkit.dev/katkit/internal/domain/click"
)

// Path is where deliveries are taken.
const Path = "/webhook"

// Finder finds the links of repositories.
type Finder interface {
	// Find returns the links of repositories, given as owner/name in any letter case, of a GitHub, given by its
	// host name in lower case.
	Find(ctx context.Context, host string, repositories []string) ([]types.NamespacedName, error)
}

// Asker asks for links to be looked at, and returns at once.
type Asker interface {
	// Request asks for one link. cause is the name of an event that the receiver knows.
	Request(link types.NamespacedName, cause string)
	// Press tells one link of a button that was pressed.
	Press(link types.NamespacedName, button click.Button)
}

// Handler takes deliveries. All fields are needed.
type Handler struct {
	Secrets *Secrets
	Links   Finder
	Asker   Asker
	Metrics *Metrics
	Log     logr.Logger

	bodies *bodies
	seen   *seen
}

// NewHandler makes a handler that has seen no delivery.
func NewHandler(secrets *Secrets, links Finder, asker Asker, metrics *Metrics, log logr.Logger) *Handler {
	return &Handler{
		Secrets: secrets, Links: links, Asker: asker, Metrics: metrics, Log: log,
		bodies: newBodies(MaxBytesInFlight), seen: newSeen(rememberedDeliveries),
	}
}

// answer is what comes of a delivery. All answers are constants, so that they tell nothing.
type answer struct {
	status int
	result result
	text   string
}

// What is answered before the signature is known to be right.
func notFound() answer {
	return answer{http.StatusNotFound, resultUnrouted, "deliveries go to " + Path}
}
func notPosted() answer {
	return answer{http.StatusMethodNotAllowed, resultUnrouted, "deliveries are posted"}
}
func forged() answer { return answer{http.StatusUnauthorized, resultForged, "the signature is wrong"} }
func tooLarge() answer {
	return answer{http.StatusRequestEntityTooLarge, resultTooLarge, "the body is larger than 25 MiB"}
}
func overloaded() answer {
	return answer{http.StatusServiceUnavailable, resultOverloaded, "try again later"}
}
func aborted() answer { return answer{http.StatusBadRequest, resultAborted, "the body ended early"} }

// What is answered to who knows the secret.
func accepted() answer { return answer{http.StatusAccepted, resultAccepted, "accepted"} }
func replayed() answer { return answer{http.StatusAccepted, resultReplayed, "accepted"} }
func ignored() answer  { return answer{http.StatusAccepted, resultIgnored, "accepted"} }
func pong() answer     { return answer{http.StatusOK, resultPing, "pong"} }
func unavailable() answer {
	return answer{http.StatusServiceUnavailable, resultUnavailable, "try again later"}
}
func malformed() answer {
	return answer{http.StatusBadRequest, resultMalformed, "the body is not a payload of GitHub's"}
}
func wrongType() answer {
	return answer{http.StatusUnsupportedMediaType, resultWrongType,
		`the body is not JSON: choose "application/json" as the content type in the webhook's settings on GitHub`}
}

// ServeHTTP answers a delivery, and counts it.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := h.take(r)
	h.Metrics.delivered(a.result)
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	header.Set("X-Content-Type-Options", "nosniff")
	switch a.status {
	case http.StatusMethodNotAllowed:
		header.Set("Allow", http.MethodPost)
	case http.StatusServiceUnavailable:
		header.Set("Retry-After", "5")
		header.Set("Connection", "close") // what is left of the body is not waited for
	case http.StatusRequestEntityTooLarge:
		header.Set("Connection", "close")
	}
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.text+"\n") // nobody is left to be told
}

// take does what comes of a request up to the signature.
func (h *Handler) take(r *http.Request) answer {
	if r.URL.Path != Path {
		return notFound()
	}
	if r.Method != http.MethodPost {
		return notPosted()
	}
	signature, given := signatureOf(r.Header)
	if !given {
		return forged()
	}
	body, release, err := h.bodies.read(r)
	defer release()
	switch {
	case errors.Is(err, errTooLarge):
		return tooLarge()
	case errors.Is(err, errOverloaded):
		return overloaded()
	case err != nil:
		return aborted()
	}
	if !h.Secrets.Signed(body, signature) {
		return forged()
	}
	return h.accept(r.Context(), r.Header, body, signature)
}

// accept does what comes of a delivery whose signature is right.
func (h *Handler) accept(ctx context.Context, header http.Header, body, signature []byte) answer {
	if mediaType, _, err := mime.ParseMediaType(header.Get("Content-Type")); err != nil || mediaType != "application/json" {
		return wrongType()
	}
	event := header.Get("X-GitHub-Event")
	if event == eventPing {
		return pong()
	}
	if !hints(event) {
		return ignored()
	}
	news, err := Read(event, body)
	if err != nil {
		h.Log.Info("a delivery with a right signature cannot be read", "reason", err.Error())
		return malformed()
	}
	if len(news.Repositories) == 0 {
		return ignored()
	}
	links, err := h.Links.Find(ctx, hostOf(header), news.Repositories)
	if err != nil {
		h.Log.Error(err, "links cannot be found")
		return unavailable()
	}
	if !h.seen.first(header.Get("X-GitHub-Delivery"), signature) {
		return replayed()
	}
	for _, link := range links {
		if news.Button != nil {
			h.Asker.Press(link, *news.Button)
		} else {
			h.Asker.Request(link, event)
		}
	}
	return accepted()
}
