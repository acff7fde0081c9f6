package github

import (
	"testing"
	"time"
)

func TestARefusalIsForgottenAfterSomeTime(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for kind, pause := range map[Kind]time.Duration{KindForbidden: 10 * time.Minute, KindUnauthorized: time.Minute, KindUnavailable: 0, KindRateLimited: 0} {
		var r refusals
		of := change{repository: "acme/app", area: areaStatuses, refuses: []Kind{KindForbidden, KindUnauthorized}}
		r.note(of, &Error{Kind: kind}, at)
		if err := r.check(of, at.Add(pause-time.Nanosecond)); (err == nil) != (pause == 0) {
			t.Errorf("%s: %v before %s are over", kind, err, pause)
		}
		if err := r.check(of, at.Add(pause)); err != nil {
			t.Errorf("%s: %v after %s", kind, err, pause)
		}
		of.repository = "acme/other"
		r.note(of, &Error{Kind: KindForbidden}, at.Add(time.Hour))
		if len(r.known) != 1 {
			t.Errorf("%d are remembered, of which one is old", len(r.known))
		}
	}
}

func TestATokenThatIsNotAcceptedIsNoneForAnythingUntilItIs(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var r refusals
	status := change{repository: "acme/app", area: areaStatuses, refuses: []Kind{KindUnauthorized}}
	deployment := change{repository: "acme/other", area: areaDeployments}
	r.note(status, &Error{Kind: KindUnauthorized}, at)
	if err := r.check(deployment, at); KindOf(err) != KindUnauthorized {
		t.Errorf("%v, want Unauthorized", err)
	}
	r.accept()
	for _, change := range []change{status, deployment} {
		if err := r.check(change, at); err != nil {
			t.Errorf("it is accepted now: %v", err)
		}
	}
}
