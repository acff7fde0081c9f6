package link

import (
	"fmt"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/cli/view"
	"katkit.dev/katkit/internal/domain/text"
)

// madeLines tell what became of the objects.
func madeLines(r result) []string {
	var lines []string
	if r.secret != "" {
		lines = append(lines, fmt.Sprintf("secret/%s %s", text.Line(r.link.Spec.SecretRef.Name), r.secret))
	}
	return append(lines, fmt.Sprintf("tenantrepolink.katkit.dev/%s %s", text.Line(r.link.Name), r.plan.link))
}

// readyLines tell of a link that works: what was found, and what is next.
func readyLines(link *v1alpha1.TenantRepoLink) []string {
	found := fmt.Sprintf("branch %s of %s", text.Line(link.Spec.HomeBranch), view.Repository(link.Spec.Host, link.Spec.Repository))
	lines := []string{"ready: " + found + " was found"}
	if head := link.Status.HomeBranch; head != nil {
		line := "newest commit: " + text.Line(head.SHA[:min(len(head.SHA), 7)])
		if head.Message != "" {
			line += " " + text.Line(head.Message)
		}
		if head.Author != "" {
			line += " (" + text.Line(head.Author) + ")"
		}
		lines = append(lines, line)
	}
	return append(lines, "", "Next:", "  "+command("run "+view.Quote(link.Name), link))
}

// refusedLines tell of a link that does not work.
func refusedLines(link *v1alpha1.TenantRepoLink) []string {
	condition := view.Ready(link)
	return []string{
		fmt.Sprintf("error: TenantRepoLink %s is not ready: %s", id(link), text.Line(condition.Reason+": "+condition.Message)),
		fmt.Sprintf("The link stays, and is checked again every %s: %s shows whether it works.", short(interval(link)), command("links", link)),
	}
}

// waitingLine tells what is waited for.
func waitingLine(link *v1alpha1.TenantRepoLink, stale bool, timeout time.Duration) string {
	if stale {
		return fmt.Sprintf("waiting up to %s for the link's next check, which is the first with the new credential; it is checked every %s", short(timeout), short(interval(link)))
	}
	return fmt.Sprintf("waiting up to %s for Katkit to check the link", short(timeout))
}

// untoldError tells of a link of which it is not known whether it works.
func untoldError(link *v1alpha1.TenantRepoLink, stale bool, timeout time.Duration) error {
	condition := view.Ready(link)
	said := "Katkit has not checked it. Does its manager run? kubectl get pods -n katkit-system -l app.kubernetes.io/name=katkit tells, if you may see it, else ask a cluster admin"
	if condition != nil {
		said = text.Line(fmt.Sprintf("Ready is %s, %s: %s", condition.Status, condition.Reason, condition.Message))
		if stale {
			said = "it has not been checked with the new credential yet. Before, " + said
		}
	}
	return fmt.Errorf("TenantRepoLink %s is there, but after %s it is not known whether it works: %s\nThe link stays: %s shows whether it works",
		id(link), short(timeout), said, command("links", link))
}

// deployerLines warn of a ServiceAccount that is not there, without which no deployment works.
func deployerLines(link *v1alpha1.TenantRepoLink) []string {
	account, namespace := view.Quote(deployer(link)), view.Quote(link.Namespace)
	return []string{
		fmt.Sprintf("Warning: ServiceAccount %s/%s is not there, so a deployment would fail. A cluster admin makes it with:", namespace, account),
		fmt.Sprintf("  kubectl create serviceaccount %s -n %s", account, namespace),
		fmt.Sprintf("  kubectl create rolebinding %s -n %s --clusterrole=katkit-deployer --serviceaccount=%s:%s", account, namespace, namespace, account),
	}
}

// command is one that goes on with the link's tenant.
func command(verb string, link *v1alpha1.TenantRepoLink) string {
	return fmt.Sprintf("kubectl katkit %s -n %s", verb, view.Quote(link.Namespace))
}

func id(link *v1alpha1.TenantRepoLink) string { return text.Line(link.Namespace + "/" + link.Name) }

// short writes a duration as people do: 2m, and not 2m0s.
func short(d time.Duration) string {
	switch {
	case d >= time.Hour && d%time.Hour == 0:
		return fmt.Sprintf("%dh", d/time.Hour)
	case d >= time.Minute && d%time.Minute == 0:
		return fmt.Sprintf("%dm", d/time.Minute)
	default:
		return d.String()
	}
}
