package receiver

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/click"
)

// stale reads what a cache had before.
type stale struct {
	client.Client
	cached *v1alpha1.TenantRepoLink
}

// Get plays the cache.
func (s stale) Get(_ context.Context, _ client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	s.cached.DeepCopyInto(object.(*v1alpha1.TenantRepoLink))
	return nil
}

// There are two replicas of the receiver, of which neither knows what the other was told.
func TestReplicasKeepEachOthersClicks(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	known := &v1alpha1.TenantRepoLink{ObjectMeta: metav1.ObjectMeta{Namespace: "d-one", Name: "app", Annotations: map[string]string{
		"team": "cart", v1alpha1.AnnotationRerunRequested: "check_run/1@2025-12-31T23:00:00.000Z check_run/2@2025-12-31T23:59:30.000Z nonsense",
	}}}
	server := fake.NewClientBuilder().WithScheme(scheme).WithObjects(known).Build()
	cached := &v1alpha1.TenantRepoLink{}
	if err := server.Get(t.Context(), client.ObjectKeyFromObject(known), cached); err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	hint := func(id int64) Hint { return Hint{Clicks: []click.Click{{Button: button(id), At: now}}} }
	one, other := Links{Client: server}, Links{Client: stale{server, cached}}
	if err := one.Annotate(t.Context(), link("d-one", "app"), hint(3)); err != nil {
		t.Fatal(err)
	}
	if err := other.Annotate(t.Context(), link("d-one", "app"), hint(4)); !apierrors.IsConflict(err) {
		t.Fatalf("of a cache that is behind: %v, want a conflict", err)
	}
	other.Client = server // it has caught up
	if err := other.Annotate(t.Context(), link("d-one", "app"), hint(4)); err != nil {
		t.Fatal(err)
	}
	var got v1alpha1.TenantRepoLink
	if err := server.Get(t.Context(), client.ObjectKeyFromObject(known), &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"team": "cart",
		v1alpha1.AnnotationRerunRequested: "check_run/2@2025-12-31T23:59:30.000Z check_run/3@2026-01-01T00:00:00.000Z check_run/4@2026-01-01T00:00:00.000Z"}
	if diff := cmp.Diff(want, got.Annotations); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheCacheKeepsClicksAndNoOtherAnnotation(t *testing.T) {
	kept := "check_run/2@2025-12-31T23:59:30.000Z"
	for name, c := range map[string]struct {
		annotations, want map[string]string
	}{
		"clicks":      {map[string]string{"team": "cart", v1alpha1.AnnotationRerunRequested: kept}, map[string]string{v1alpha1.AnnotationRerunRequested: kept}},
		"none":        {map[string]string{"team": "cart"}, nil},
		"a novel":     {map[string]string{v1alpha1.AnnotationRerunRequested: string(make([]byte, 1<<18))}, nil},
		"no clicks":   {map[string]string{v1alpha1.AnnotationRerunRequested: "x"}, nil},
		"none at all": {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			object, err := onlyRepository(&v1alpha1.TenantRepoLink{ObjectMeta: metav1.ObjectMeta{Name: "app", Annotations: c.annotations}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, object.(*v1alpha1.TenantRepoLink).Annotations); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
