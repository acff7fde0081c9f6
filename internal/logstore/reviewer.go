package logstore

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	authentication "k8s.io/client-go/kubernetes/typed/authentication/v1"
	authorization "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"
)

// reviewsPerSecond and reviewsAtOnce bound what the API server is asked. A Pod that writes is asked about twice a minute.
const (
	reviewsPerSecond = 100
	reviewsAtOnce    = 200
)

// cluster is the API server as a Reviewer.
type cluster struct {
	tokens authentication.TokenReviewInterface
	access authorization.SubjectAccessReviewInterface
}

// NewReviewer asks the API server of a configuration.
func NewReviewer(config *rest.Config) (Reviewer, error) {
	config = rest.CopyConfig(config)
	config.QPS, config.Burst = reviewsPerSecond, reviewsAtOnce
	tokens, err := authentication.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the client of the API server: %w", err)
	}
	access, err := authorization.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making the client of the API server: %w", err)
	}
	return &cluster{tokens: tokens.TokenReviews(), access: access.SubjectAccessReviews()}, nil
}

func (c *cluster) ReviewToken(ctx context.Context, token string, audiences []string) (authenticationv1.TokenReviewStatus, error) {
	review, err := c.tokens.Create(ctx, &authenticationv1.TokenReview{
		Spec: authenticationv1.TokenReviewSpec{Token: token, Audiences: audiences},
	}, metav1.CreateOptions{})
	if err != nil {
		return authenticationv1.TokenReviewStatus{}, fmt.Errorf("reviewing a token: %w", err)
	}
	return review.Status, nil
}

func (c *cluster) ReviewAccess(ctx context.Context, spec authorizationv1.SubjectAccessReviewSpec) (authorizationv1.SubjectAccessReviewStatus, error) {
	review, err := c.access.Create(ctx, &authorizationv1.SubjectAccessReview{Spec: spec}, metav1.CreateOptions{})
	if err != nil {
		return authorizationv1.SubjectAccessReviewStatus{}, fmt.Errorf("reviewing what somebody may do: %w", err)
	}
	return review.Status, nil
}
