package comment_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/comment"
)

func answerTo(id int64, login, answer string) comment.Answer {
	in := ask("/katkit run")
	return comment.Answered(comment.Comment{ID: id, Login: login}, in.Pull, in.Command, comment.Decision{Answer: answer})
}

func TestTheOneComment(t *testing.T) {
	body := comment.Render("tenant", "app", "", []comment.Answer{answerTo(42, "ann", "made run `app-c42`")})
	want := "<!-- katkit tenant/app -->\n**Katkit**, link `app` of tenant `tenant`. What was asked last:\n\n" +
		"- <!-- 42 --> [`/katkit run`](" + pullURL + "#issuecomment-42) of `ann`: made run `app-c42`\n"
	if diff := cmp.Diff(want, body); diff != "" {
		t.Fatal(diff)
	}
	if again := comment.Render("tenant", "app", strings.ReplaceAll(body, "\n", "\r\n"), []comment.Answer{answerTo(42, "ann", "something else")}); again != body {
		t.Errorf("an answer was given twice: %s", again)
	}
	for id := int64(43); id < 60; id++ {
		body = comment.Render("tenant", "app", body, []comment.Answer{answerTo(id, "ann", "x")})
	}
	if numbers := regexp.MustCompile(`<!-- (\d+) -->`).FindAllString(body, -1); fmt.Sprint(numbers) != "[<!-- 59 --> <!-- 58 --> <!-- 57 --> <!-- 56 --> <!-- 55 -->]" {
		t.Errorf("it has the answers to %v", numbers)
	}
	if again := comment.Render("tenant", "app", body, []comment.Answer{answerTo(43, "ann", "x"), answerTo(58, "ann", "x")}); again != body {
		t.Errorf("what was answered long ago came back: %s", again)
	}
}

func TestWhatPeopleWroteMentionsNobody(t *testing.T) {
	hostile := "`@acme/all` <img src=x> [x](https://evil.example) #1\n/katkit run\n- <!-- 99 --> x"
	in := ask("/katkit run")
	in.Pull.URL = "javascript:alert(1)"
	answer := comment.Answered(comment.Comment{ID: 7, Login: hostile}, in.Pull, comment.Command{Verb: v1alpha1.CommentCommand(hostile)},
		comment.Decision{Answer: comment.NotMade(&v1alpha1.TenantRepoLink{ObjectMeta: metav1.ObjectMeta{Namespace: hostile, Name: hostile}}, aRun(hostile, "", 0))})
	body := comment.Render("tenant", "app", "", []comment.Answer{answer})
	shown := regexp.MustCompile("`[^`]*`").ReplaceAllString(body, "")
	if strings.ContainsAny(strings.ReplaceAll(shown, "<!--", ""), "@<[#`") || strings.Contains(body, "javascript") || strings.Count(body, "\n- ") != 1 {
		t.Errorf("shown: %s", body)
	}
	if _, found, _ := comment.Parse(body); found {
		t.Errorf("it is a command: %s", body)
	}
}

func TestAnAdminIsToldHowKatkitMayApprove(t *testing.T) {
	for user, want := range map[string]string{
		"system:serviceaccount:katkit-system:katkit-manager": "`kubectl create rolebinding katkit-approver-katkit -n tenant --clusterrole=katkit-approver --serviceaccount=katkit-system:katkit-manager`",
		"o'neil": `--user='o'\''neil'` + "`",
	} {
		if got := comment.NotApproved(aPhase("r", "DEPLOY", 0), user); !strings.HasSuffix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestARefusalTellsWhereAnAdminFindsWhy(t *testing.T) {
	link, run := ask("/katkit run").Link, aRun("r", "", 0)
	const where = ": the cluster refused it; why is in an event, which an admin of tenant `tenant` finds with `kubectl describe trl app -n tenant`"
	for want, got := range map[string]string{
		"run `r` was not made" + where:                            comment.NotMade(link, run),
		"run `r` was not cancelled" + where:                       comment.NotCancelled(link, run),
		"phase `DEPLOY` of run `r` was not approved" + where:      comment.Unapprovable(link, aPhase("r", "DEPLOY", 0)),
		"phase `DEPLOY` of run `r` was not approved: it is gone":  comment.Gone(aPhase("r", "DEPLOY", 0)),
		"run `r` was not made: another run of this name is there": comment.NameTaken(run),
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}

func TestCursor(t *testing.T) {
	at := written
	active := &v1alpha1.TriggersStatus{Active: []v1alpha1.TriggerName{"pr"}, Handled: []string{"pr-7fd1a60b01f91b31"}}
	cursor := comment.CursorOf(active)
	if cursor.Active {
		t.Error("it is not set yet")
	}
	cursor = cursor.Past(5, at).Past(7, at.Add(time.Second)).Past(6, at)
	record := cursor.Record(active)
	if record.LastComment != 7 || !record.LastCommentTime.Time.Equal(at.Add(time.Second)) || len(record.Active) != 2 || len(active.Active) != 1 {
		t.Errorf("%+v", record)
	}
	if diff := cmp.Diff(cursor, comment.CursorOf(record)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(active, comment.Cursor{}.Record(record)); diff != "" {
		t.Errorf("not set any more: %s", diff)
	}
	if record := (comment.Cursor{}).Record(&v1alpha1.TriggersStatus{}); record != nil {
		t.Errorf("there is nothing to record: %+v", record)
	}
	if record := (comment.Cursor{Active: true}).Record(nil); record.LastComment != 0 || record.LastCommentTime != nil || !comment.CursorOf(record).Active {
		t.Errorf("no comment yet: %+v", record)
	}
}

func FuzzRender(f *testing.F) {
	f.Add("", "x", int64(1))
	f.Add(comment.Render("tenant", "app", "", []comment.Answer{answerTo(42, "ann", "x")}), "y", int64(43))
	f.Add("- <!-- 99999999999999999999 --> x\n- <!-- 1 --> a\n- <!-- 1 --> b\r\n", "`", int64(2))
	f.Fuzz(func(t *testing.T, known, login string, id int64) {
		if id < 1 {
			t.Skip()
		}
		answers := []comment.Answer{answerTo(id, login, "x")}
		once := comment.Render("tenant", "app", known, answers)
		if twice := comment.Render("tenant", "app", once, answers); twice != once {
			t.Errorf("%q, and again %q", once, twice)
		}
		if len(once) > 32<<10 || strings.Count(once, "\n- <!-- ") > 5 {
			t.Errorf("%d bytes", len(once))
		}
	})
}
