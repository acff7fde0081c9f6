// Package builderclass tells which BuilderClass a link uses, what a class lets a link and a workflow ask for, and what the builder Pods of a
// phase are made by. The link controller says so in the link's condition, the run controller checks it before the first phase, and the phase
// controller makes builder Pods by the class as it is when a phase begins. It is pure.
package builderclass

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

// Ask is who asks for a BuilderClass: a link, or a phase of one of its runs.
type Ask struct {
	// Namespace of the link, and its Labels.
	Namespace string
	Labels    labels.Set
	// Link is its name, ClassName the class that it names; "" for the default one.
	Link, ClassName string
	// Fallback is the class that counts for want of a default one, or of one alone; "" for none.
	Fallback string
}

// AskOf is a link's. labels are those of its namespace.
func AskOf(link *v1alpha1.TenantRepoLink, labels labels.Set) Ask {
	return Ask{Namespace: link.Namespace, Labels: labels, Link: link.Name, ClassName: link.Spec.Builder.ClassName}
}

// Choose finds the BuilderClass of a link: the one that it names, else the only default one; of those only that the link's
// namespace may use. The problem's reason is NoBuilderClass, SeveralDefaultClasses or BuilderClassNotAllowed.
func Choose(ask Ask, classes []v1alpha1.BuilderClass) (*v1alpha1.BuilderClass, *problem.Problem) {
	offer := offer{namespace: ask.Namespace}
	for i := range classes {
		offer.add(&classes[i], ask.Labels)
	}
	if ask.ClassName != "" {
		return offer.named(ask.ClassName, ask.Link)
	}
	class, cause := offer.byDefault()
	if cause != nil && ask.Fallback != "" {
		if earlier, gone := offer.named(ask.Fallback, ask.Link); gone == nil {
			return earlier, nil
		}
	}
	return class, cause
}

// Explains tells whether a problem of this reason is one of Choose or CheckImage.
func Explains(reason string) bool {
	switch reason {
	case v1alpha1.ReasonNoBuilderClass, v1alpha1.ReasonSeveralDefaultClasses, v1alpha1.ReasonBuilderClassNotAllowed, v1alpha1.ReasonImageNotAllowed:
		return true
	}
	return false
}

// offer is what there is for a namespace.
type offer struct {
	namespace        string
	admitted, barred []*v1alpha1.BuilderClass
}

func (o *offer) add(class *v1alpha1.BuilderClass, namespace labels.Set) {
	if admits(class, namespace) {
		o.admitted = append(o.admitted, class)
	} else {
		o.barred = append(o.barred, class)
	}
}

// admits tells whether a namespace with these labels may use a class. One whose selector cannot be read admits none.
func admits(class *v1alpha1.BuilderClass, namespace labels.Set) bool {
	if class.Spec.NamespaceSelector == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(class.Spec.NamespaceSelector)
	return err == nil && selector.Matches(namespace)
}

func (o *offer) named(name, link string) (*v1alpha1.BuilderClass, *problem.Problem) {
	is := func(class *v1alpha1.BuilderClass) bool { return class.Name == name }
	if i := slices.IndexFunc(o.admitted, is); i >= 0 {
		return o.admitted[i], nil
	}
	if slices.ContainsFunc(o.barred, is) {
		return nil, problem.Config(v1alpha1.ReasonBuilderClassNotAllowed,
			"BuilderClass %s, which TenantRepoLink %s names, is not for namespace %s (its namespaceSelector): name another in spec.builder.className, %s",
			name, link, o.namespace, o.choice())
	}
	return nil, problem.Config(v1alpha1.ReasonNoBuilderClass,
		"BuilderClass %s, which TenantRepoLink %s names, is not there: ask a cluster admin, or name another in spec.builder.className, %s",
		name, link, o.choice())
}

func (o *offer) byDefault() (*v1alpha1.BuilderClass, *problem.Problem) {
	defaults := slices.DeleteFunc(slices.Clone(o.admitted), notDefault)
	switch {
	case len(defaults) == 1:
		return defaults[0], nil
	case len(defaults) > 1:
		return nil, problem.Config(v1alpha1.ReasonSeveralDefaultClasses,
			"BuilderClasses %s are all marked as the default one: a cluster admin leaves the annotation %s on one of them, or the link names one in spec.builder.className",
			names(defaults), v1alpha1.AnnotationDefaultClass)
	}
	const mark = "a cluster admin marks one with: kubectl annotate builderclass NAME " + v1alpha1.AnnotationDefaultClass + "=true"
	if barred := slices.DeleteFunc(slices.Clone(o.barred), notDefault); len(barred) > 0 {
		return nil, problem.Config(v1alpha1.ReasonNoBuilderClass,
			"the default BuilderClass %s is not for namespace %s (its namespaceSelector): the link names another in spec.builder.className, %s; or %s",
			names(barred), o.namespace, o.choice(), mark)
	}
	return nil, problem.Config(v1alpha1.ReasonNoBuilderClass,
		"no BuilderClass is the default one: %s; or the link names one in spec.builder.className, %s", mark, o.choice())
}

func notDefault(class *v1alpha1.BuilderClass) bool {
	return class.Annotations[v1alpha1.AnnotationDefaultClass] != "true"
}

// choice lists the classes that the namespace may use.
func (o *offer) choice() string {
	if len(o.admitted) == 0 {
		return "of which none is for this namespace yet"
	}
	return fmt.Sprintf("of which this namespace may use %s", names(o.admitted))
}

func names(classes []*v1alpha1.BuilderClass) string {
	list := make([]string, 0, len(classes))
	for _, class := range classes {
		list = append(list, class.Name)
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}
