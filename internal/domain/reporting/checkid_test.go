package reporting_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"katkit.dev/katkit/internal/domain/reporting"
)

const uid = types.UID("0f8a4b52-9d2c-4a0e-8f3b-1f2e3d4c5b6a")

func TestCheckIDIsReadAsItWasWritten(t *testing.T) {
	for _, phase := range []string{"BUILD", "A phase of several words", "v1.2_x-y", strings.Repeat("p", 63), reporting.ConfigPhase} {
		id := reporting.CheckID(uid, phase)
		gotRun, gotPhase, ok := reporting.ParseCheckID(id)
		if !ok || gotRun != uid || gotPhase != phase {
			t.Errorf("ParseCheckID(%q) = %q, %q, %t", id, gotRun, gotPhase, ok)
		}
	}
	if got, want := reporting.CheckID(uid, "BUILD"), string(uid)+"/BUILD"; got != want {
		t.Errorf("CheckID = %q, want %q: check runs that are there keep their form", got, want)
	}
}

func TestWhatIsNoCheckID(t *testing.T) {
	for _, id := range []string{"", "/", "BUILD", string(uid), string(uid) + "/", "/BUILD", string(uid) + "/BUILD/x", "x/" + strings.Repeat("p", 200)} {
		if run, phase, ok := reporting.ParseCheckID(id); ok || run != "" || phase != "" {
			t.Errorf("ParseCheckID(%q) = %q, %q, %t", id, run, phase, ok)
		}
	}
}

func TestShows(t *testing.T) {
	for name, want := range map[string]bool{
		"katkit/shop/api/BUILD": true, "katkit/Shop/api/build": true,
		"katkit/shop/-/BUILD": false, "katkit/mall/api/BUILD": false, "katkit/shop/api/TEST": false, "BUILD": false, "": false,
	} {
		if got := reporting.Shows(name, "shop", "api", "BUILD"); got != want {
			t.Errorf("Shows(%q) = %t", name, got)
		}
	}
}

func FuzzParseCheckID(f *testing.F) {
	f.Add(reporting.CheckID(uid, "BUILD"))
	f.Add("a/b/c")
	f.Fuzz(func(t *testing.T, id string) {
		run, phase, ok := reporting.ParseCheckID(id)
		if ok && reporting.CheckID(run, phase) != id {
			t.Errorf("%q is read as %q and %q", id, run, phase)
		}
	})
}
