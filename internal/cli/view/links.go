package view

import (
	"cmp"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/text"
)

// defaultHost is the GitHub that need not be named.
const defaultHost = "github.com"

// Links lists links by their names, below a line of headings. With namespaces each row begins with the link's.
func Links(links []v1alpha1.TenantRepoLink, now time.Time, namespaces bool) []string {
	sorted := slices.Clone(links)
	slices.SortStableFunc(sorted, func(a, b v1alpha1.TenantRepoLink) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	rows := [][]string{{"NAME", "REPOSITORY", "BRANCH", "FOLDER", "READY", "COMMIT", "AGE"}}
	var of []string
	for i := range sorted {
		rows = append(rows, linkRow(&sorted[i], now))
		of = append(of, sorted[i].Namespace)
	}
	if namespaces {
		rows = withNamespaces(rows, of)
	}
	return columns(rows)
}

func linkRow(link *v1alpha1.TenantRepoLink, now time.Time) []string {
	commit := ""
	if link.Status.HomeBranch != nil {
		commit = short(link.Status.HomeBranch.SHA)
	}
	return []string{
		text.Line(link.Name), Repository(link.Spec.Host, link.Spec.Repository), text.Line(link.Spec.HomeBranch),
		cmp.Or(text.Line(link.Spec.Folder()), "-"), ready(link), cmp.Or(commit, "-"), age(link.CreationTimestamp.Time, now),
	}
}

// ready is the state of the link's condition Ready, and the reason where it is not True.
func ready(link *v1alpha1.TenantRepoLink) string {
	condition := Ready(link)
	switch {
	case condition == nil:
		return string(metav1.ConditionUnknown)
	case condition.Status == metav1.ConditionTrue:
		return string(metav1.ConditionTrue)
	default:
		return text.Line(string(condition.Status) + ": " + condition.Reason)
	}
}

// Ready is the link's condition of this name; nil when the manager has not checked the link since it was made or changed.
func Ready(link *v1alpha1.TenantRepoLink) *metav1.Condition {
	condition := meta.FindStatusCondition(link.Status.Conditions, v1alpha1.ConditionReady)
	if condition == nil || condition.ObservedGeneration < link.Generation {
		return nil
	}
	return condition
}

// Repository names a repository, with its host where that is not github.com.
func Repository(host, repository string) string {
	if host == "" || host == defaultHost {
		return text.Line(repository)
	}
	return text.Line(host + "/" + repository)
}
