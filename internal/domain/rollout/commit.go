package rollout

import (
	"regexp"
	"strings"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/problem"
)

// Mark is what Katkit's last change of an image left on the workload.
type Mark struct {
	// RunUID is the UID of the run that changed it, SHA the commit that the image is of; "" when it was never changed,
	// or brought back to an image of which Katkit knows no commit.
	RunUID, SHA string
}

var fullSHA = regexp.MustCompile(`(?:^|[^0-9a-f])([0-9a-f]{40})(?:[^0-9a-f]|$)`)

// LiveSHA returns the commit that a container runs, as its image's tag tells: 40 hex digits, or "" when the tag holds no
// full sha. The mark alone does not count: somebody may have changed the image since.
func (s Service) LiveSHA(container string) string {
	image, _, _ := strings.Cut(s.Image(container), "@")
	tag := image[strings.LastIndex(image, "/")+1:]
	_, tag, found := strings.Cut(tag, ":")
	if !found {
		return ""
	}
	if s.Mark.SHA != "" && strings.Contains(tag, s.Mark.SHA) {
		return s.Mark.SHA
	}
	if match := fullSHA.FindStringSubmatch(tag); match != nil {
		return match[1]
	}
	return ""
}

// ToCompare are the planned changes that may bring a commit (40 hex digits) that is older than the live one, a live
// commit once.
func ToCompare(receipts []v1alpha1.Receipt, sha string) []v1alpha1.Receipt {
	var result []v1alpha1.Receipt
	seen := map[string]bool{"": true, sha: true}
	for _, receipt := range receipts {
		if receipt.PreviousImage != receipt.Image && !seen[receipt.PreviousSHA] {
			seen[receipt.PreviousSHA] = true
			result = append(result, receipt)
		}
	}
	return result
}

// OlderCommit is the problem of a commit that the live one of a service comes from.
func OlderCommit(receipt v1alpha1.Receipt, sha string) *problem.Problem {
	return problem.Config(v1alpha1.ReasonOlderCommit,
		"%s %s runs commit %s, which comes after %s: nothing was changed, so the newer commit stays. If you mean to go back, start a run with spec.allowOlder: true",
		receipt.Kind, receipt.Name, receipt.PreviousSHA, sha)
}
