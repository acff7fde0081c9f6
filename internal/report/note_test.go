package report_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/report"
)

// recorder keeps what it is told, as one line each.
type recorder []string

func (r *recorder) Eventf(_ runtime.Object, _ runtime.Object, kind, reason, action, note string, args ...any) {
	*r = append(*r, fmt.Sprintf("%s %s %s ", kind, reason, action)+fmt.Sprintf(note, args...))
}

func TestNotesAreToldAsTheyAreAndBounded(t *testing.T) {
	var got recorder
	report.Events(&got, &v1alpha1.CIRun{}, []report.Event{
		{Reason: "Started", Action: "Start", Note: "100% of %s"},
		{Warning: true, Reason: "Failed", Action: "Run", Note: strings.Repeat("ü", 600)},
		{Warning: true, Reason: "Full", Action: "Run", Note: strings.Repeat("x", 1024)},
	})
	want := recorder{
		corev1.EventTypeNormal + " Started Start 100% of %s",
		corev1.EventTypeWarning + " Failed Run " + strings.Repeat("ü", 509) + " […]",
		corev1.EventTypeWarning + " Full Run " + strings.Repeat("x", 1024),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The API refuses a note of more than 1 KiB, and one that is cut within a character would be changed on its way.
func FuzzNotes(f *testing.F) {
	f.Add("x", 2000)
	f.Add("日本", 400)
	f.Add("😀x", 256)
	f.Fuzz(func(t *testing.T, text string, times int) {
		note := strings.Repeat(strings.ToValidUTF8(text, ""), max(0, min(times, 4096)))
		var got recorder
		report.Events(&got, &v1alpha1.CIRun{}, []report.Event{{Note: note}})
		told := strings.TrimPrefix(got[0], corev1.EventTypeNormal+"   ")
		if len(told) > 1024 || strings.ToValidUTF8(told, "?") != told {
			t.Errorf("a note of %d bytes: %q", len(told), told)
		}
		if !strings.HasPrefix(note, strings.TrimSuffix(told, " […]")) {
			t.Errorf("%q is not the beginning of %q", told, note)
		}
	})
}
