package link

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	domain "katkit.dev/katkit/internal/domain/link"
)

// rateLimitRemaining is exact, where the status is rough: what was left when the link was looked at last, so that links with one
// token may tell different numbers.
var rateLimitRemaining = prometheus.NewGaugeVec(prometheus.GaugeOpts{
	Name: "katkit_github_rate_limit_remaining",
	Help: "Calls that GitHub allows the link's token until its rate limit is reset.",
}, []string{"namespace", "link"})

// registerMetrics may be called again, by another manager of the process.
func registerMetrics() error {
	err := metrics.Registry.Register(rateLimitRemaining)
	if _, twice := errors.AsType[prometheus.AlreadyRegisteredError](err); twice {
		return nil
	}
	return err
}

func tellRemaining(link *v1alpha1.TenantRepoLink, limit domain.RateLimit) {
	if limit.Limit == 0 {
		rateLimitRemaining.DeleteLabelValues(link.Namespace, link.Name)
		return
	}
	rateLimitRemaining.WithLabelValues(link.Namespace, link.Name).Set(float64(limit.Remaining))
}

func forgetRemaining(link types.NamespacedName) {
	rateLimitRemaining.DeleteLabelValues(link.Namespace, link.Name)
}
