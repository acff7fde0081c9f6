package run

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/create"
	"katkit.dev/katkit/internal/cli/find"
)

var (
	fullSHA  = regexp.MustCompile(`^[0-9a-f]{40}$`)
	variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// options are what the flags say.
type options struct {
	link, sha, branch, name string
	pullRequest             int32
	byNumber                bool // --pr was given
	phases, env             []string
	allowOlder              bool
	timeout                 *time.Duration
}

// spec is the run that the flags ask for. No commit means the home branch.
func (o options) spec() (v1alpha1.CIRunSpec, error) {
	spec := v1alpha1.CIRunSpec{
		Link:       v1alpha1.ObjectName{Name: o.link},
		Commit:     v1alpha1.CommitSelector{SHA: o.sha, Branch: o.branch, PullRequest: o.pullRequest},
		PhaseNames: o.phases, AllowOlder: o.allowOlder,
	}
	if o.sha != "" && !fullSHA.MatchString(o.sha) {
		return spec, fmt.Errorf("--sha %q is not a commit's full sha of 40 hex digits in lower case: git rev-parse NAME gives it", o.sha)
	}
	if o.byNumber && o.pullRequest < 1 {
		return spec, fmt.Errorf("--pr %d is not the number of a pull request: it is 1 or more", o.pullRequest)
	}
	if o.timeout != nil {
		if *o.timeout < time.Second {
			return spec, fmt.Errorf("--timeout %s is too short: it is 1s at least", *o.timeout)
		}
		spec.Timeout = &metav1.Duration{Duration: *o.timeout}
	}
	for _, pair := range o.env {
		name, value, given := strings.Cut(pair, "=")
		if !given || !variable.MatchString(name) {
			return spec, fmt.Errorf("--env %q is not NAME=VALUE: a name has letters, digits and _, and does not begin with a digit", pair)
		}
		spec.Env = append(spec.Env, v1alpha1.EnvVar{Name: name, Value: value})
	}
	return spec, create.CheckName(o.name)
}

// Start makes a run of a link that is there. Without a commit it takes the newest of the link's home branch; without a
// name it is named after the link.
func Start(ctx context.Context, live client.Client, namespace, name string, spec v1alpha1.CIRunSpec) (*v1alpha1.CIRun, error) {
	link, err := find.Link(ctx, live, namespace, spec.Link.Name)
	if err != nil {
		return nil, err
	}
	if spec.Commit == (v1alpha1.CommitSelector{}) {
		spec.Commit.Branch = link.Spec.HomeBranch
	}
	return create.Run(ctx, live, namespace, name, spec)
}
