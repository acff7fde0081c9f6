package receiver

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/click"
)

// +kubebuilder:rbac:groups=katkit.dev,resources=tenantrepolinks,verbs=get;list;watch;patch

const (
	// fieldOwner is the receiver's name among the managers of a link's fields.
	fieldOwner = "katkit-receiver"
	// indexRepository is the cache's index of links by repositoryKey.
	indexRepository = "receiver.repository"
)

// Links are those of the whole cluster.
type Links struct {
	// Client reads links from a cache that has the index, and writes them.
	Client client.Client
}

// repositoryKey is the same for all letter cases of a repository, as GitHub takes them.
func repositoryKey(host, repository string) string { return strings.ToLower(host + "/" + repository) }

// indexLinks adds the index to a cache.
func indexLinks(ctx context.Context, indexer client.FieldIndexer) error {
	err := indexer.IndexField(ctx, &v1alpha1.TenantRepoLink{}, indexRepository, func(object client.Object) []string {
		link, isLink := object.(*v1alpha1.TenantRepoLink)
		if !isLink {
			return nil
		}
		host := link.Spec.Host
		if host == "" {
			host = dotCom
		}
		keys := []string{repositoryKey(host, link.Spec.Repository)}
		if known := link.Status.Repository; known != nil { // after it was renamed or transferred
			keys = append(keys, repositoryKey(host, known.FullName))
		}
		return slices.Compact(keys)
	})
	if err != nil {
		return fmt.Errorf("indexing links by their repository: %w", err)
	}
	return nil
}

// onlyRepository is a cache's transform that keeps of a link its name, its repository's, and the clicks that it was told of.
func onlyRepository(object any) (any, error) {
	link, isLink := object.(*v1alpha1.TenantRepoLink)
	if !isLink {
		return object, nil
	}
	return &v1alpha1.TenantRepoLink{
		TypeMeta: link.TypeMeta,
		ObjectMeta: metav1.ObjectMeta{
			Namespace: link.Namespace, Name: link.Name, UID: link.UID, ResourceVersion: link.ResourceVersion,
			Annotations: clicksOf(link),
		},
		Spec:   v1alpha1.TenantRepoLinkSpec{Host: link.Spec.Host, Repository: link.Spec.Repository},
		Status: v1alpha1.TenantRepoLinkStatus{Repository: link.Status.Repository},
	}, nil
}

// Find returns the links of repositories: see Finder.
func (l *Links) Find(ctx context.Context, host string, repositories []string) ([]types.NamespacedName, error) {
	var found []types.NamespacedName
	for _, repository := range repositories {
		var links v1alpha1.TenantRepoLinkList
		err := l.Client.List(ctx, &links, client.MatchingFields{indexRepository: repositoryKey(host, repository)}, client.UnsafeDisableDeepCopy)
		if err != nil {
			return nil, fmt.Errorf("reading links from the cache: %w", err)
		}
		for i := range links.Items {
			found = append(found, client.ObjectKeyFromObject(&links.Items[i]))
		}
	}
	return found, nil
}

// Annotate sets a link's annotations katkit.dev/sync-requested and katkit.dev/rerun-requested, and nothing else of it: see Annotator. The
// clicks that are there already stay, whichever replica of the receiver wrote them, so nothing may have changed since they were read.
func (l *Links) Annotate(ctx context.Context, link types.NamespacedName, hint Hint) error {
	annotations, metadata := map[string]string{}, map[string]any{}
	if hint.Cause != "" {
		annotations[v1alpha1.AnnotationSyncRequested] = hint.value()
	}
	if len(hint.Clicks) > 0 {
		var known v1alpha1.TenantRepoLink
		if err := l.Client.Get(ctx, link, &known); err != nil {
			return fmt.Errorf("reading link %s from the cache: %w", link, err)
		}
		before := click.Fresh(click.Parse(known.Annotations[v1alpha1.AnnotationRerunRequested]), hint.Clicks[len(hint.Clicks)-1].At)
		annotations[v1alpha1.AnnotationRerunRequested] = click.Text(click.Add(before, hint.Clicks...))
		metadata["resourceVersion"] = known.ResourceVersion
	}
	metadata["annotations"] = annotations
	patch, err := json.Marshal(map[string]any{"metadata": metadata})
	if err != nil {
		return fmt.Errorf("encoding the annotations: %w", err)
	}
	object := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: link.Namespace, Name: link.Name}}
	object.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("TenantRepoLink"))
	if err := l.Client.Patch(ctx, object, client.RawPatch(types.MergePatchType, patch), client.FieldOwner(fieldOwner)); err != nil {
		return fmt.Errorf("annotating link %s: %w", link, err)
	}
	return nil
}

// clicksOf are the annotations of a link that Annotate reads; nil when there are none.
func clicksOf(link *v1alpha1.TenantRepoLink) map[string]string {
	clicks := click.Text(click.Parse(link.Annotations[v1alpha1.AnnotationRerunRequested])) // bounded, whoever wrote them
	if clicks == "" {
		return nil
	}
	return map[string]string{v1alpha1.AnnotationRerunRequested: clicks}
}
