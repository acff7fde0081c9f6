package rollout_test

import (
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/rollout"
)

func TestLiveSHAIsThatOfTheTag(t *testing.T) {
	sha, other := strings.Repeat("c0ffee12", 5), strings.Repeat("ab", 20)
	for name, c := range map[string]struct{ image, marked, want string }{
		"the tag is the sha":                    {"acme/api:" + sha, "", sha},
		"the tag holds it":                      {"registry:5000/acme/api:tms_" + sha + "-x", "", sha},
		"with a digest":                         {"acme/api:" + sha + "@sha256:" + strings.Repeat("ab", 32), "", sha},
		"only a digest":                         {"acme/api@sha256:" + strings.Repeat("ab", 32), "", ""},
		"a longer number is none":               {"acme/api:" + sha + "0", "", ""},
		"a version":                             {"acme/api:v1", "", ""},
		"no tag":                                {"registry:5000/acme/api", "", ""},
		"the repository's name does not count":  {"acme/" + sha + ":v1", "", ""},
		"the mark says which of two it is":      {"acme/api:" + other + "-" + sha, sha, sha},
		"the mark is of an image that was left": {"acme/api:v2", sha, ""},
		"a mark within a longer word":           {"acme/api:x" + sha + "f", sha, sha},
	} {
		t.Run(name, func(t *testing.T) {
			meta := ofName("api", 1)
			meta.Annotations = map[string]string{v1alpha1.AnnotationSHA: c.marked, v1alpha1.AnnotationRunUID: "uid"}
			service := rollout.FromDeployment(&appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Template: template(corev1.Container{Name: "api", Image: c.image})}})
			if got := service.LiveSHA("api"); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if want := (rollout.Mark{RunUID: "uid", SHA: c.marked}); service.Mark != want {
				t.Errorf("mark %+v, want %+v", service.Mark, want)
			}
		})
	}
}

func TestToCompareOnlyWhatMayBeOlder(t *testing.T) {
	sha, live, other := strings.Repeat("c0ffee12", 5), strings.Repeat("ab", 20), strings.Repeat("cd", 20)
	of := func(role, previous, previousSHA string) v1alpha1.Receipt {
		return v1alpha1.Receipt{Role: role, PreviousImage: previous, PreviousSHA: previousSHA, Image: "acme/api:new"}
	}
	var got []string
	for _, receipt := range rollout.ToCompare([]v1alpha1.Receipt{
		of("no commit", "acme/api:v1", ""), of("the same commit", "acme/api:x-"+sha, sha), of("the same image", "acme/api:new", live),
		of("one", "acme/api:"+live, live), of("one again", "acme/web:"+live, live), of("two", "acme/api:"+other, other),
	}, sha) {
		got = append(got, receipt.Role)
	}
	if want := []string{"one", "two"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	cause := rollout.OlderCommit(v1alpha1.Receipt{Kind: "Deployment", Name: "api", PreviousSHA: live}, sha)
	if cause.Reason != v1alpha1.ReasonOlderCommit || cause.Transient || !strings.Contains(cause.Message, "Deployment api runs commit "+live+", which comes after "+sha) {
		t.Errorf("%+v", cause)
	}
}
