// Package complete gives the shell the names of links, runs and phases that a verb can go on with.
//
// What always holds: the shell waits 3 seconds at most, and an error is silence.
package complete

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli"
	"katkit.dev/katkit/internal/domain/text"
)

// timeout is how long the shell waits for names.
const timeout = 3 * time.Second

// Names lists what an argument can be in a namespace; args are those before it.
type Names func(ctx context.Context, live client.Reader, namespace string, args []string) ([]string, error)

// Args completes the arguments of a command: the first one with the names of the first lister, and so on. It does for a
// flag, too, of a command that takes no arguments.
func Args(connect cli.Connect, listers ...Names) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= len(listers) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return ask(c, connect, listers[len(args)], args)
	}
}

// Flag completes a flag of a command with arguments.
func Flag(connect cli.Connect, names Names) cobra.CompletionFunc {
	return func(c *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		return ask(c, connect, names, args)
	}
}

func ask(c *cobra.Command, connect cli.Connect, names Names, args []string) ([]string, cobra.ShellCompDirective) {
	live, namespace, err := connect()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	ctx, cancel := context.WithTimeout(c.Context(), timeout)
	defer cancel()
	found, err := names(ctx, live, namespace, args)
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return found, cobra.ShellCompDirectiveNoFileComp
}

// Links are those of the namespace.
func Links(ctx context.Context, live client.Reader, namespace string, _ []string) ([]string, error) {
	var links v1alpha1.TenantRepoLinkList
	if err := live.List(ctx, &links, client.InNamespace(namespace)); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(links.Items))
	for i := range links.Items {
		names = append(names, links.Items[i].Name)
	}
	return names, nil
}

// Pulls are the numbers of the open pull requests of the link that the first argument names, with their titles.
func Pulls(ctx context.Context, live client.Reader, namespace string, args []string) ([]string, error) {
	link, err := link(ctx, live, namespace, args)
	if err != nil {
		return nil, err
	}
	var numbers []string
	for _, pull := range link.Status.PullRequests {
		numbers = append(numbers, fmt.Sprintf("%d\t%s", pull.Number, text.Line(pull.Title)))
	}
	return numbers, nil
}

// Commits are the newest ones of the home branch of the link that the first argument names, with their messages.
func Commits(ctx context.Context, live client.Reader, namespace string, args []string) ([]string, error) {
	link, err := link(ctx, live, namespace, args)
	if err != nil {
		return nil, err
	}
	var shas []string
	for _, commit := range link.Status.Commits {
		shas = append(shas, text.Line(commit.SHA)+"\t"+text.Line(commit.Message))
	}
	return shas, nil
}

func link(ctx context.Context, live client.Reader, namespace string, args []string) (*v1alpha1.TenantRepoLink, error) {
	var link v1alpha1.TenantRepoLink
	if len(args) == 0 {
		return &link, nil
	}
	return &link, live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: args[0]}, &link)
}

// Runs are those of the namespace of which keep says so.
func Runs(keep func(*v1alpha1.CIRun) bool) Names {
	return func(ctx context.Context, live client.Reader, namespace string, _ []string) ([]string, error) {
		var runs v1alpha1.CIRunList
		if err := live.List(ctx, &runs, client.InNamespace(namespace)); err != nil {
			return nil, err
		}
		names := make([]string, 0, len(runs.Items))
		for i := range runs.Items {
			if keep(&runs.Items[i]) {
				names = append(names, runs.Items[i].Name)
			}
		}
		return names, nil
	}
}

// Phases are those of the run that the first argument names, of which keep says so.
func Phases(keep func(v1alpha1.RunPhaseStatus) bool) Names {
	return func(ctx context.Context, live client.Reader, namespace string, args []string) ([]string, error) {
		if len(args) == 0 {
			return nil, nil
		}
		var run v1alpha1.CIRun
		if err := live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: args[0]}, &run); err != nil {
			return nil, err
		}
		var names []string
		for _, phase := range run.Status.Phases {
			if keep(phase) {
				names = append(names, phase.Name)
			}
		}
		return names, nil
	}
}
