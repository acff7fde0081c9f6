package github_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/github"
)

// These answers have the shapes of GitHub's REST documentation, with what the stand-in never says: fields that
// are null, an author without account, a deleted fork.

const shapeSHA = "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"

const commitShape = `{
  "sha": "` + shapeSHA + `", "node_id": "MDY6", "html_url": "https://github.com/acme/app/commit/` + shapeSHA + `",
  "commit": {
    "author": {"name": "Mona", "email": "mona@example.com", "date": "2012-03-06T23:06:50Z"},
    "committer": {"name": "GitHub", "email": "noreply@github.com", "date": "2012-03-07T01:06:50+02:00"},
    "message": "\nMerge pull request #6\r\n\r\nfrom acme/topic", "tree": {"sha": "b4eecafa", "url": ""}, "comment_count": 0,
    "verification": {"verified": false, "reason": "unsigned", "signature": null, "payload": null, "verified_at": null}
  },
  "author": AUTHOR, "committer": null, "parents": [{"sha": "553c2077"}],
  "stats": {"total": 2, "additions": 1, "deletions": 1}, "files": [{"filename": "README", "patch": "@@ -0 +1 @@"}]
}`

func TestACommitOfTheDocumentation(t *testing.T) {
	for author, want := range map[string]string{`{"login": "octocat", "id": 1}`: "octocat", `null`: "Mona", `{}`: "Mona"} {
		body := strings.Replace(commitShape, "AUTHOR", author, 1)
		want := github.Commit{SHA: shapeSHA, Message: "Merge pull request #6", Author: want,
			Time: time.Date(2012, 3, 6, 23, 6, 50, 0, time.UTC), URL: "https://github.com/acme/app/commit/" + shapeSHA}
		got, err := canned(t, 200, nil, body).Commit(t.Context(), "acme/app", shapeSHA)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("commit: %v, %s", err, diff)
		}
		got, err = canned(t, 200, nil, `{"name": "main", "protected": true, "commit": `+body+`}`).Branch(t.Context(), "acme/app", "main")
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("branch: %v, %s", err, diff)
		}
	}
}

func TestAPullRequestOfADeletedFork(t *testing.T) {
	body := `{"number": 7, "state": "open", "title": "Fix", "draft": false, "html_url": "https://github.com/acme/app/pull/7", "user": {"login": "ghost"},
	  "head": {"label": "unknown repository", "ref": "fix", "sha": "` + shapeSHA + `", "user": null, "repo": null},
	  "base": {"label": "acme:main", "ref": "main", "sha": "553c2077", "repo": {"id": 1296269, "full_name": "acme/app"}}}`
	want := github.PullRequest{Number: 7, Title: "Fix", Author: "ghost", HeadRef: "fix", HeadSHA: shapeSHA, BaseRef: "main",
		Fork: true, State: "open", URL: "https://github.com/acme/app/pull/7"}
	got, err := canned(t, 200, nil, body).PullRequest(t.Context(), "acme/app", 7)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("pull request: %v, %s", err, diff)
	}
}

func TestALongMessageIsCutBetweenCharacters(t *testing.T) {
	body := strings.NewReplacer("AUTHOR", "null", "Merge pull request #6", strings.Repeat("ä", 500)).Replace(commitShape)
	got, err := canned(t, 200, nil, body).Commit(t.Context(), "acme/app", shapeSHA)
	if want := strings.Repeat("ä", github.MaxMessageLength-1) + "…"; err != nil || got.Message != want {
		t.Errorf("message %q, %v", got.Message, err)
	}
}
