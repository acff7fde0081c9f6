package logstore

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	"k8s.io/apimachinery/pkg/util/cache"
	"k8s.io/utils/clock"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/contract"
)

// +kubebuilder:rbac:groups=authentication.k8s.io,resources=tokenreviews,verbs=create
// +kubebuilder:rbac:groups=authorization.k8s.io,resources=subjectaccessreviews,verbs=create

const (
	// tokenTTL and accessTTL are how long the API server's yes counts, and deniedTTL its no.
	tokenTTL  = 30 * time.Second
	accessTTL = 10 * time.Second
	deniedTTL = 5 * time.Second
	// rememberedReviews bounds those that are kept of each kind.
	rememberedReviews = 4096
	// maxReviews is how many the API server is asked for at once, reviewsOfOne how many of them for one address that asks, and
	// reviewTimeout how long one may take, the wait for its turn included.
	maxReviews    = 32
	reviewsOfOne  = maxReviews / 8
	reviewTimeout = 10 * time.Second
	// maxTokenBytes is the longest token that is looked at.
	maxTokenBytes = 16 << 10
)

// What the API server says of a Pod's bound token, in the user's extra fields.
const (
	extraPodName = "authentication.kubernetes.io/pod-name"
	extraPodUID  = "authentication.kubernetes.io/pod-uid"
)

// Reviewer asks the API server.
type Reviewer interface {
	// ReviewToken tells whose a token is, if it is for one of the audiences; none stands for the API server's own.
	ReviewToken(ctx context.Context, token string, audiences []string) (authenticationv1.TokenReviewStatus, error)
	// ReviewAccess tells whether somebody may do something.
	ReviewAccess(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) (authorizationv1.SubjectAccessReviewStatus, error)
}

// Guard tells who may write and read which log. It trusts nothing but the API server's answers.
type Guard struct {
	reviewer Reviewer
	metrics  *Metrics
	log      logr.Logger
	reviews  *shares
	tokens   *cache.LRUExpireCache // by hash of audience and token: authenticationv1.UserInfo
	access   *cache.LRUExpireCache // by hash of token, namespace and phase: struct{}
	denied   *cache.LRUExpireCache // by either: *refusal; apart, so that wrong tokens push out no right ones
}

// NewGuard makes a guard that has asked for nothing yet.
func NewGuard(reviewer Reviewer, clock clock.PassiveClock, metrics *Metrics, log logr.Logger) *Guard {
	return &Guard{
		reviewer: reviewer, metrics: metrics, log: log, reviews: newShares(maxReviews, reviewsOfOne),
		tokens: cache.NewLRUExpireCacheWithClock(rememberedReviews, clock),
		access: cache.NewLRUExpireCacheWithClock(rememberedReviews, clock),
		denied: cache.NewLRUExpireCacheWithClock(rememberedReviews, clock),
	}
}

// hash keys the caches, so that no token stays in memory.
type hash [sha256.Size]byte

func hashOf(parts ...string) hash { return sha256.Sum256([]byte(strings.Join(parts, "\x00"))) }

// Writer returns the log that the bearer of a request's token writes, if it is that of a Pod; otherwise a *refusal.
func (g *Guard) Writer(r *http.Request, namespace, pod string) (Log, error) {
	token, err := bearer(r.Header, "Authorization")
	if err != nil {
		return Log{}, err
	}
	if !looksBound(token) {
		return Log{}, refuse(http.StatusUnauthorized, "the token is not that of a Pod for the audience %s: a log is written with the one that its Pod's kubelet gets",
			contract.LogAudience)
	}
	user, err := g.user(r, token, contract.LogAudience)
	if err != nil {
		return Log{}, err
	}
	log, ok := podOf(user)
	if !ok {
		return Log{}, refuse(http.StatusForbidden, "the token of %s is bound to no Pod: a log is written with the token that its Pod's kubelet gets for the audience %s",
			user.Username, contract.LogAudience)
	}
	if log.Namespace != namespace || log.Pod != pod {
		return Log{}, refuse(http.StatusForbidden, "the token is that of the Pod %s/%s, which writes its own log and no other", log.Namespace, log.Pod)
	}
	return log, nil
}

// podOf returns the log of the Pod that a user's token is bound to.
func podOf(user authenticationv1.UserInfo) (Log, bool) {
	account, isAccount := strings.CutPrefix(user.Username, "system:serviceaccount:")
	namespace, _, hasName := strings.Cut(account, ":")
	name, uid := user.Extra[extraPodName], user.Extra[extraPodUID]
	if !isAccount || !hasName || len(name) != 1 || len(uid) != 1 {
		return Log{}, false
	}
	log := Log{Namespace: namespace, Pod: name[0], UID: uid[0]}
	return log, log.valid()
}

// Reader lets a request pass whose bearer may get the log of a phase; otherwise it returns a *refusal.
func (g *Guard) Reader(r *http.Request, namespace, phase string) error {
	token, err := bearer(r.Header, contract.HeaderLogAuthorization, "Authorization")
	if err != nil {
		return err
	}
	user, err := g.user(r, token, "")
	if err != nil {
		return err
	}
	key := hashOf(token, namespace, phase)
	if _, known := g.access.Get(key); known {
		return nil
	}
	if err := g.refusedBefore(key); err != nil {
		return err
	}
	resource, sub, _ := strings.Cut(contract.LogResource, "/")
	spec := authorizationv1.SubjectAccessReviewSpec{
		User: user.Username, UID: user.UID, Groups: user.Groups, Extra: map[string]authorizationv1.ExtraValue{},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Verb: "get", Group: v1alpha1.GroupVersion.Group, Resource: resource, Subresource: sub, Namespace: namespace, Name: phase,
		},
	}
	for name, values := range user.Extra {
		spec.Extra[name] = authorizationv1.ExtraValue(values)
	}
	status, err := ask(r, g, "access", func(ctx context.Context) (authorizationv1.SubjectAccessReviewStatus, error) {
		return g.reviewer.ReviewAccess(ctx, spec)
	})
	if err != nil {
		return err
	}
	if !status.Allowed {
		g.metrics.reviewed("access", "denied")
		return g.deny(key, http.StatusForbidden, "%s may not get %s.%s %s in the namespace %s: ask its admin for the role view, or one that names %s",
			user.Username, contract.LogResource, v1alpha1.GroupVersion.Group, phase, namespace, contract.LogResource)
	}
	g.metrics.reviewed("access", "allowed")
	g.access.Add(key, struct{}{}, accessTTL)
	return nil
}

// user returns whose a token is. audience "" is the API server's own.
func (g *Guard) user(r *http.Request, token, audience string) (authenticationv1.UserInfo, error) {
	key := hashOf(audience, token)
	if known, ok := g.tokens.Get(key); ok {
		if user, ok := known.(authenticationv1.UserInfo); ok {
			return user, nil
		}
	}
	if err := g.refusedBefore(key); err != nil {
		return authenticationv1.UserInfo{}, err
	}
	var audiences []string
	if audience != "" {
		audiences = []string{audience}
	}
	status, err := ask(r, g, "token", func(ctx context.Context) (authenticationv1.TokenReviewStatus, error) {
		return g.reviewer.ReviewToken(ctx, token, audiences)
	})
	if err != nil {
		return authenticationv1.UserInfo{}, err
	}
	// Who checks a token but knows of no audiences names none.
	if !status.Authenticated || (audience != "" && !slices.Contains(status.Audiences, audience)) {
		g.metrics.reviewed("token", "denied")
		return authenticationv1.UserInfo{}, g.deny(key, http.StatusUnauthorized, "the API server does not know the token%s: it is wrong, has expired, or its Pod is gone", forAudience(audience))
	}
	g.metrics.reviewed("token", "allowed")
	g.tokens.Add(key, status.User, tokenTTL)
	return status.User, nil
}

func forAudience(audience string) string {
	if audience == "" {
		return ""
	}
	return fmt.Sprintf(" as one for the audience %s", audience)
}

// deny refuses something now, and for a while.
func (g *Guard) deny(key hash, status int, format string, arguments ...any) error {
	refused := refuse(status, format, arguments...)
	g.denied.Add(key, refused, deniedTTL)
	return refused
}

// refusedBefore returns the refusal of something that was denied lately, else nil.
func (g *Guard) refusedBefore(key hash) error {
	if known, ok := g.denied.Get(key); ok {
		if refused, ok := known.(*refusal); ok {
			return refused
		}
	}
	return nil
}

// ask asks the API server for a request, when it is the turn of the address that it came from.
func ask[T any](r *http.Request, g *Guard, kind string, question func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(r.Context(), reviewTimeout)
	defer cancel()
	var none T
	leave, err := g.reviews.enter(ctx, host(r.RemoteAddr))
	if err != nil {
		g.metrics.reviewed(kind, "failed")
		return none, refuse(http.StatusServiceUnavailable, "the API server is asked for more than it answers in time: try again")
	}
	defer leave()
	answer, err := question(ctx)
	if err != nil {
		g.metrics.reviewed(kind, "failed")
		g.log.Error(err, "the API server does not answer", "kind", kind)
		return none, refuse(http.StatusServiceUnavailable, "the API server does not tell whose the token is and what they may do: try again")
	}
	return answer, nil
}

// bearer returns the token of the first of some headers that is there.
func bearer(header http.Header, names ...string) (string, error) {
	for _, name := range names {
		value := header.Get(name)
		if value == "" {
			continue
		}
		scheme, token, _ := strings.Cut(value, " ")
		if token = strings.TrimSpace(token); !strings.EqualFold(scheme, "Bearer") || token == "" {
			return "", refuse(http.StatusUnauthorized, "the header %s has to be: Bearer TOKEN", name)
		}
		if len(token) > maxTokenBytes {
			return "", refuse(http.StatusUnauthorized, "the token has more than %d bytes", maxTokenBytes)
		}
		return token, nil
	}
	return "", refuse(http.StatusUnauthorized, "a token is missing: send the header %s: Bearer TOKEN", names[0])
}
