package link

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

var update = flag.Bool("update", false, "write the golden files anew")

// checked is the link of the tests with a condition Ready; without a status it has none.
func checked(status metav1.ConditionStatus, reason, message string) *v1alpha1.TenantRepoLink {
	link := &v1alpha1.TenantRepoLink{
		ObjectMeta: metav1.ObjectMeta{Namespace: "d-shop", Name: "shop", UID: "1", Generation: 1},
		Spec: v1alpha1.TenantRepoLinkSpec{Repository: "acme/shop", Host: defaultHost, HomeBranch: "main",
			SecretRef: &v1alpha1.ObjectName{Name: "shop-github"}, Deployer: v1alpha1.DeployerSpec{ServiceAccountName: "katkit-deployer"}},
	}
	if status != "" {
		link.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: status, Reason: reason, Message: message, ObservedGeneration: 1}}
	}
	return link
}

func ready() *v1alpha1.TenantRepoLink {
	link := checked(metav1.ConditionTrue, v1alpha1.ReasonReady, "branch main of acme/shop was found")
	link.Status.HomeBranch = &v1alpha1.CommitStatus{SHA: "5c1fe1b1e0a1d8ae0d0a3f0f3f5a8e1f4d2b7c90", Message: "Mend the basket", Author: "ann"}
	return link
}

func rejected() *v1alpha1.TenantRepoLink {
	return checked(metav1.ConditionFalse, v1alpha1.ReasonTokenRejected, "GitHub host github.com, repository acme/shop: the token was not accepted: "+
		"it is wrong, expired or revoked; replace it with a valid one (token of Secret d-shop/shop-github)")
}

func unavailable() *v1alpha1.TenantRepoLink {
	return checked(metav1.ConditionUnknown, v1alpha1.ReasonGitHubUnavailable, "GitHub host github.com: no answer")
}

func TestOutput(t *testing.T) {
	enterprise := ready()
	enterprise.Spec.Host, enterprise.Status.HomeBranch = "git.example.com", nil
	for name, lines := range map[string][]string{
		"ready":       append(madeLines(result{plan{created, created}, ready()}), readyLines(ready())...),
		"enterprise":  append(madeLines(result{plan{unchanged, ""}, enterprise}), readyLines(enterprise)...),
		"refused":     append(madeLines(result{plan{unchanged, rotated}, rejected()}), refusedLines(rejected())...),
		"deployer":    deployerLines(ready()),
		"waiting":     {waitingLine(ready(), false, 2*time.Minute), waitingLine(ready(), true, 90*time.Second)},
		"unchecked":   {"error: " + untoldError(checked("", "", ""), false, 2*time.Minute).Error()},
		"unavailable": {"error: " + untoldError(unavailable(), false, 2*time.Minute).Error()},
		"stale":       {"error: " + untoldError(rejected(), true, 10*time.Second).Error()},
	} {
		t.Run(name, func(t *testing.T) { golden(t, name+".txt", lines) })
	}
}

// TestHostileTexts holds that no text of the cluster makes a line of its own or moves the cursor.
func TestHostileTexts(t *testing.T) {
	const hostile = "\x1b[2J\x1b]0;t\x07a\r\nNext:\u202e\u009b31m\xff"
	link := checked(metav1.ConditionStatus(hostile), hostile, hostile)
	link.Namespace, link.Name, link.Spec.Repository, link.Spec.Host, link.Spec.HomeBranch = hostile, hostile, hostile, hostile, hostile
	link.Spec.SecretRef.Name, link.Spec.Deployer.ServiceAccountName = hostile, hostile
	link.Status.HomeBranch = &v1alpha1.CommitStatus{SHA: hostile, Message: hostile, Author: hostile}
	lines := append(madeLines(result{plan{created, created}, link}), readyLines(link)...)
	lines = append(append(lines, refusedLines(link)...), deployerLines(link)...)
	lines = append(lines, strings.Split(untoldError(link, true, time.Minute).Error(), "\n")...)
	if len(lines) != 2+5+2+3+2 {
		t.Errorf("%d lines", len(lines))
	}
	for _, line := range lines {
		if strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("line %q", line)
		}
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{time.Hour: "1h", 90 * time.Minute: "90m", 2 * time.Minute: "2m", 90 * time.Second: "1m30s", 10 * time.Second: "10s", 0: "0s"} {
		if got := short(d); got != want {
			t.Errorf("short(%s) = %s, want %s", d, got, want)
		}
	}
}

// TestTheManual holds that docs/plugin.md shows what is printed.
func TestTheManual(t *testing.T) {
	manual, err := os.ReadFile("../../../docs/plugin.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ready.txt", "refused.txt", "deployer.txt"} {
		shown, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		indented := "    " + strings.ReplaceAll(strings.TrimSpace(string(shown)), "\n", "\n    ")
		if !strings.Contains(string(manual), strings.ReplaceAll(indented, "\n    \n", "\n\n")) {
			t.Errorf("docs/plugin.md does not have\n%s", indented)
		}
	}
}

func golden(t *testing.T, name string, lines []string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	got := strings.Join(lines, "\n") + "\n"
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}
