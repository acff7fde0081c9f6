package phase

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/buildpod"
	"katkit.dev/katkit/internal/domain/problem"
)

const cloneToken = "ghs_tokenToCloneWith"

var appPhase = &v1alpha1.Phase{ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "run-0-build", UID: "phase-uid"}}

// withSecrets is a controller at a time, with Secrets that are there.
func withSecrets(at time.Time, there ...runtime.Object) (*Controller, *fake.Clientset) {
	cluster := fake.NewClientset(there...)
	return &Controller{Core: cluster.CoreV1(), Clock: clocktesting.NewFakePassiveClock(at)}, cluster
}

// stored is the token of the Phase's Secret; "" when it is not there.
func stored(t *testing.T, cluster *fake.Clientset, name string) string {
	t.Helper()
	secret, err := cluster.CoreV1().Secrets("d-shop").Get(t.Context(), name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(secret.Data[v1alpha1.SecretKeyToken])
}

func TestASecretThatIsThereIsUsedWhileItIsTheOwnAndYoung(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for name, c := range map[string]struct {
		change func(*corev1.Secret)
		want   string
		reason string
	}{
		"its own, young":        {func(s *corev1.Secret) { s.CreationTimestamp = metav1.NewTime(now.Add(-19 * time.Minute)) }, "earlier", ""},
		"its own, old":          {func(s *corev1.Secret) { s.CreationTimestamp = metav1.NewTime(now.Add(-20 * time.Minute)) }, cloneToken, ""},
		"another Phase's":       {func(s *corev1.Secret) { s.OwnerReferences[0].UID = "other" }, "earlier", v1alpha1.ReasonNameConflict},
		"nobody's":              {func(s *corev1.Secret) { s.OwnerReferences = nil }, "earlier", v1alpha1.ReasonNameConflict},
		"its own, but a forged": {func(s *corev1.Secret) { s.Type = corev1.SecretTypeOpaque }, "earlier", v1alpha1.ReasonNameConflict},
	} {
		t.Run(name, func(t *testing.T) {
			earlier := buildpod.BuildCredential(appPhase, 1, "earlier")
			earlier.CreationTimestamp = metav1.NewTime(now)
			c.change(earlier)
			controller, cluster := withSecrets(now, earlier)
			err := controller.createCredential(t.Context(), appPhase, buildpod.BuildCredential(appPhase, 1, cloneToken))
			cause, _ := errors.AsType[*problem.Problem](err)
			if (c.reason == "") != (err == nil) || (cause != nil && cause.Reason != c.reason) {
				t.Errorf("%v, want %q", err, c.reason)
			}
			if got := stored(t, cluster, earlier.Name); got != c.want {
				t.Errorf("the Secret holds %q, want %q", got, c.want)
			}
		})
	}
}

func TestOnlyThePhasesOwnSecretsAreRemoved(t *testing.T) {
	ours, theirs := buildpod.BuildCredential(appPhase, 1, cloneToken), buildpod.BuildCredential(appPhase, 2, "theirs")
	theirs.OwnerReferences[0].UID = "other"
	controller, cluster := withSecrets(time.Now(), ours, theirs)
	if err := controller.removeCredentials(t.Context(), appPhase, []string{ours.Name, theirs.Name, "none"}); err != nil {
		t.Fatal(err)
	}
	if stored(t, cluster, ours.Name) != "" || stored(t, cluster, theirs.Name) != "theirs" {
		t.Error("its own is left, or another's is gone")
	}
}

func TestARefusalNeverTellsTheToken(t *testing.T) {
	resource := schema.GroupResource{Resource: "secrets"}
	echo := " " + cloneToken + " " + base64.StdEncoding.EncodeToString([]byte(cloneToken))
	for name, c := range map[string]struct {
		answer    error
		reason    string
		transient bool
	}{
		"a quota":              {apierrors.NewForbidden(resource, "x", errors.New("exceeded quota: secrets"+echo)), v1alpha1.ReasonWaitingForQuota, true},
		"a webhook that talks": {apierrors.NewForbidden(resource, "x", errors.New("denied:"+echo)), v1alpha1.ReasonPodRejected, false},
		"a failure":            {apierrors.NewInternalError(errors.New("webhook failed:" + echo)), "", true},
	} {
		t.Run(name, func(t *testing.T) {
			controller, cluster := withSecrets(time.Now())
			cluster.PrependReactor("create", "secrets", func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, c.answer })
			err := controller.createCredential(t.Context(), appPhase, buildpod.BuildCredential(appPhase, 1, cloneToken))
			cause, _ := errors.AsType[*problem.Problem](err)
			if err == nil || (c.reason != "") != (cause != nil) || (cause != nil && (cause.Reason != c.reason || cause.Transient != c.transient)) {
				t.Errorf("%v, want %q", err, c.reason)
			}
			if strings.Contains(err.Error(), cloneToken) || strings.Contains(err.Error(), echo[len(echo)-20:]) {
				t.Errorf("the token is told: %v", err)
			}
		})
	}
}
