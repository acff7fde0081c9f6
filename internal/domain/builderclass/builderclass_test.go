package builderclass_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/builderclass"
)

func class(name string, isDefault bool, selector *metav1.LabelSelector) v1alpha1.BuilderClass {
	c := v1alpha1.BuilderClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.BuilderClassSpec{NamespaceSelector: selector}}
	if isDefault {
		c.Annotations = map[string]string{v1alpha1.AnnotationDefaultClass: "true"}
	}
	return c
}

func TestChoose(t *testing.T) {
	gold := &metav1.LabelSelector{MatchLabels: map[string]string{"plan": "gold"}}
	notGold := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "plan", Operator: metav1.LabelSelectorOpNotIn, Values: []string{"gold"}}}}
	nonsense := &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "plan", Operator: "Near"}}}
	type list = []v1alpha1.BuilderClass
	for name, c := range map[string]struct {
		names   string
		plan    string
		earlier string // the default one when the run began
		classes list
		want    string
		reason  string
		texts   []string
	}{
		"the default one": {classes: list{class("a", false, nil), class("b", true, nil)}, want: "b"},
		"the named one":   {names: "a", classes: list{class("a", false, nil), class("b", true, nil)}, want: "a"},
		"the named one, where several are the default":    {names: "b", classes: list{class("a", true, nil), class("b", true, nil)}, want: "b"},
		"an empty selector is for all":                    {classes: list{class("a", true, &metav1.LabelSelector{})}, want: "a"},
		"one that is for this namespace":                  {names: "a", plan: "gold", classes: list{class("a", false, gold)}, want: "a"},
		"the default of this namespace, of two":           {plan: "gold", classes: list{class("a", true, notGold), class("b", true, gold)}, want: "b"},
		"the default of other namespaces, of two":         {plan: "tin", classes: list{class("a", true, notGold), class("b", true, gold)}, want: "a"},
		"the default one, whatever was":                   {earlier: "a", classes: list{class("a", false, nil), class("b", true, nil)}, want: "b"},
		"the one that was, where several are the default": {earlier: "a", classes: list{class("a", true, nil), class("b", true, nil)}, want: "a"},
		"the one that was, where none is":                 {earlier: "a", classes: list{class("a", false, nil), class("b", false, nil)}, want: "a"},
		"the one that was is gone": {earlier: "x", classes: list{class("a", false, nil)}, reason: v1alpha1.ReasonNoBuilderClass,
			texts: []string{"no BuilderClass is the default one"}},
		"the one that was is not for this namespace":      {earlier: "c", plan: "tin", classes: list{class("a", false, nil), class("c", false, gold)}, reason: v1alpha1.ReasonNoBuilderClass},
		"the named one is gone, whatever was the default": {names: "x", earlier: "a", classes: list{class("a", true, nil)}, reason: v1alpha1.ReasonNoBuilderClass},
		"none is there": {reason: v1alpha1.ReasonNoBuilderClass,
			texts: []string{"kubectl annotate builderclass NAME katkit.dev/is-default-class=true", "none is for this namespace"}},
		"none is the default one": {classes: list{class("b", false, nil), class("a", false, nil), class("c", false, gold)}, reason: v1alpha1.ReasonNoBuilderClass,
			texts: []string{"no BuilderClass is the default one", "kubectl annotate builderclass NAME", "spec.builder.className, of which this namespace may use a, b"}},
		"the default one is not for this namespace": {classes: list{class("a", true, gold), class("b", false, nil)}, reason: v1alpha1.ReasonNoBuilderClass,
			texts: []string{"the default BuilderClass a is not for namespace d-shop", "this namespace may use b"}},
		"several are the default one": {classes: list{class("c", true, nil), class("a", true, nil), class("b", false, nil)}, reason: v1alpha1.ReasonSeveralDefaultClasses,
			texts: []string{"BuilderClasses a, c are all marked", "katkit.dev/is-default-class on one of them"}},
		"the named one is not there": {names: "x", classes: list{class("a", true, nil), class("c", true, gold)}, reason: v1alpha1.ReasonNoBuilderClass,
			texts: []string{"BuilderClass x, which TenantRepoLink shop names, is not there", "this namespace may use a"}},
		"the named one is not for this namespace": {names: "b", plan: "tin", classes: list{class("a", true, nil), class("b", false, gold), class("c", false, notGold)},
			reason: v1alpha1.ReasonBuilderClassNotAllowed, texts: []string{"BuilderClass b", "is not for namespace d-shop", "this namespace may use a, c"}},
		"a selector that says nothing is for none": {names: "a", classes: list{class("a", false, nonsense)}, reason: v1alpha1.ReasonBuilderClassNotAllowed},
	} {
		t.Run(name, func(t *testing.T) {
			link := &v1alpha1.TenantRepoLink{ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "shop"}}
			link.Spec.Builder.ClassName = c.names
			ask := builderclass.AskOf(link, labels.Set{"plan": c.plan})
			ask.Fallback = c.earlier
			got, cause := builderclass.Choose(ask, c.classes)
			if c.reason == "" {
				if cause != nil || got.Name != c.want {
					t.Errorf("got %+v, %v; want %s", got, cause, c.want)
				}
				return
			}
			if got != nil || cause == nil || cause.Reason != c.reason || cause.Transient || !builderclass.Explains(cause.Reason) {
				t.Fatalf("got %+v, %v; want %s", got, cause, c.reason)
			}
			for _, text := range c.texts {
				if !strings.Contains(cause.Message, text) {
					t.Errorf("%q is not in: %s", text, cause.Message)
				}
			}
		})
	}
}
