package rerequest_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/click"
	"katkit.dev/katkit/internal/domain/problem"
	"katkit.dev/katkit/internal/domain/rerequest"
)

func at(id int64, after time.Duration) click.Click {
	return click.Click{Button: click.Button{Kind: click.CheckRun, ID: id}, At: noon.Add(after)}
}

// told is a link with clicks in its annotation, and a record.
func told(clicks []click.Click, pressed ...string) *v1alpha1.TenantRepoLink {
	link := aLink()
	link.Annotations = map[string]string{v1alpha1.AnnotationRerunRequested: click.Text(clicks)}
	if pressed != nil {
		link.Status.Triggers = &v1alpha1.TriggersStatus{Pressed: pressed}
	}
	return link
}

func aLink() *v1alpha1.TenantRepoLink { return pressed("TEST").Link }

func TestPendingAreTheClicksThatNeedALook(t *testing.T) {
	first, second, again := at(1, 0), at(2, time.Second), at(1, time.Minute)
	for name, c := range map[string]struct {
		link *v1alpha1.TenantRepoLink
		want []click.Click
	}{
		"none":                             {aLink(), nil},
		"all":                              {told([]click.Click{first, second}), []click.Click{first, second}},
		"those that were not there":        {told([]click.Click{first, second}, first.String()), []click.Click{second}},
		"a button's that is pressed again": {told([]click.Click{second, again}, first.String(), second.String()), []click.Click{again}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, rerequest.Pending(c.link)); diff != "" && len(c.want)+len(rerequest.Pending(c.link)) > 0 {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRecord(t *testing.T) {
	first, second := at(1, 0), at(2, time.Second)
	others := &v1alpha1.TriggersStatus{LastComment: 5}
	var many []string
	for i := range 16 {
		many = append(many, fmt.Sprint("check_run/", 100+i))
	}
	for name, c := range map[string]struct {
		link   *v1alpha1.TenantRepoLink
		done   []click.Click
		made   []int64
		before *v1alpha1.TriggersStatus
		want   *v1alpha1.TriggersStatus
	}{
		"of nothing":                       {link: aLink()},
		"of nothing beside others":         {link: aLink(), before: others, want: others},
		"of a click":                       {link: told([]click.Click{first, second}), done: []click.Click{first}, want: &v1alpha1.TriggersStatus{Pressed: []string{first.String()}}},
		"keeps what others know":           {link: told([]click.Click{first}), done: []click.Click{first}, before: others, want: &v1alpha1.TriggersStatus{LastComment: 5, Pressed: []string{first.String()}}},
		"forgets what nobody asks for":     {link: told([]click.Click{second}, first.String(), second.String()), want: &v1alpha1.TriggersStatus{Pressed: []string{second.String()}}},
		"is kept where others drop it":     {link: told([]click.Click{first}, first.String()), want: &v1alpha1.TriggersStatus{Pressed: []string{first.String()}}},
		"is empty in the end":              {link: told(nil, first.String())},
		"remembers of what runs were made": {link: told([]click.Click{first}), done: []click.Click{first}, made: []int64{1}, want: &v1alpha1.TriggersStatus{Pressed: []string{"check_run/1", first.String()}}},
		"also when nobody asks for them":   {link: told(nil, "check_run/1", first.String()), made: []int64{1}, want: &v1alpha1.TriggersStatus{Pressed: []string{"check_run/1"}}},
		"and has an end":                   {link: told(nil, many...), made: []int64{7}, want: &v1alpha1.TriggersStatus{Pressed: append(many[1:16:16], "check_run/7")}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, rerequest.Record(c.link, c.done, c.made, c.before)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhichClicksAreTriedAgain(t *testing.T) {
	down, limited := problem.Transient(v1alpha1.ReasonGitHubUnavailable, "down"), problem.Transient(v1alpha1.ReasonRateLimited, "limited")
	refused := problem.Config(v1alpha1.ReasonTokenRejected, "refused")
	for name, c := range map[string]struct {
		cause *problem.Problem
		after time.Duration
		want  bool
	}{
		"GitHub is down":           {down, time.Minute, true},
		"GitHub is down for long":  {down, 10 * time.Minute, false},
		"the rate limit is hit":    {limited, time.Hour, true},
		"GitHub refuses to answer": {refused, 0, false},
	} {
		if got := rerequest.TriedAgain(at(1, 0), c.cause, noon.Add(c.after)); got != c.want {
			t.Errorf("%s: %t", name, got)
		}
	}
	if got := rerequest.PassedOver(aLink(), at(1, 0), refused); got.Note == "" || got.Create != nil {
		t.Errorf("%+v", got)
	}
	silent := aLink()
	silent.Spec.Triggers.Comments = nil
	if got := rerequest.PassedOver(silent, at(1, 0), refused); got.Note != "" {
		t.Errorf("a link that obeys nothing says %q", got.Note)
	}
}
