package find_test

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"katkit.dev/katkit/internal/cli/find"
)

func TestExplainSaysWhichRoleHasTheRight(t *testing.T) {
	runs := schema.GroupResource{Group: "katkit.dev", Resource: "ciruns"}
	missing := errors.New(`User "ann" cannot create resource "ciruns" in API group "katkit.dev" in the namespace "d-shop"`)
	for name, c := range map[string]struct {
		err   error
		roles bool
	}{
		"no right":         {apierrors.NewForbidden(runs, "", missing), true},
		"refused by quota": {apierrors.NewForbidden(runs, "shop-1", errors.New("exceeded quota: few")), false},
		"anything else":    {missing, false},
	} {
		t.Run(name, func(t *testing.T) {
			said := find.Explain(c.err, "creating the run in namespace d-shop").Error()
			if !strings.HasPrefix(said, "creating the run in namespace d-shop: ") || strings.Contains(said, "edit starts and ends runs") != c.roles {
				t.Errorf("%q", said)
			}
		})
	}
}
