package comment_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/comment"
)

const someSHA = "7fd1a60b01f91b314f59955a4e4d4e80d8edf11d"

func TestParse(t *testing.T) {
	run := func(phases ...string) comment.Command {
		return comment.Command{Verb: v1alpha1.CommandRun, Phases: phases}
	}
	help := comment.Command{Verb: "help"}
	for name, c := range map[string]struct {
		body string
		want comment.Command
		none bool
	}{
		"a command alone":                             {body: "/katkit run", want: run()},
		"phases keep their letters":                   {body: "/katkit run Build TEST", want: run("Build", "TEST")},
		"the verb may have any":                       {body: "/Katkit RUN", want: run()},
		"a name of several words is quoted":           {body: `/katkit run "LOAD TEST" BUILD`, want: run("LOAD TEST", "BUILD")},
		"a rerun":                                     {body: "/katkit rerun", want: comment.Command{Verb: v1alpha1.CommandRerun}},
		"a cancel":                                    {body: "/katkit cancel  ", want: comment.Command{Verb: v1alpha1.CommandCancel}},
		"an approval":                                 {body: "/katkit approve DEPLOY", want: comment.Command{Verb: v1alpha1.CommandApprove, Phases: []string{"DEPLOY"}}},
		"an ok":                                       {body: "/katkit ok " + someSHA, want: comment.Command{Verb: v1alpha1.CommandOK, SHA: someSHA}},
		"what is no sha is for the decision":          {body: "/katkit ok 7fd1a60", want: comment.Command{Verb: v1alpha1.CommandOK, SHA: "7fd1a60"}},
		"help":                                        {body: "/katkit help", want: help},
		"nothing asks for help":                       {body: "/katkit", want: help},
		"text before and after":                       {body: "Looks good.\n\n/katkit run\nThanks!", want: run()},
		"the first of two counts":                     {body: "/katkit run\n/katkit cancel", want: run()},
		"lines end as on Windows":                     {body: "Hi\r\n/katkit run A\r\n", want: run("A")},
		"lines end as on an old Mac":                  {body: "Hi\r/katkit run A\rBye", want: run("A")},
		"words are parted by any white space":         {body: "/katkit\u00a0run\u3000A\t B\u2003", want: run("A", "B")},
		"below a quote":                               {body: "> /katkit cancel\n\n/katkit run", want: run()},
		"below fenced code":                           {body: "```sh\n/katkit cancel\n```\n/katkit run", want: run()},
		"below code between tildes":                   {body: "~~~\n/katkit cancel\n```\n/katkit cancel\n~~~\n/katkit run", want: run()},
		"a longer fence is not closed by a shorter":   {body: "````\n```\n/katkit cancel\n````\n/katkit run", want: run()},
		"a fence is not closed by one with a word":    {body: "```\n```sh\n/katkit cancel\n```\n/katkit run", want: run()},
		"a fence may be moved in a little":            {body: "  ```\n/katkit cancel\n  ```\n/katkit run", want: run()},
		"three backticks in one line are no fence":    {body: "```x```\n/katkit run", want: run()},
		"below a comment":                             {body: "<!--\n/katkit cancel\n-->\n/katkit run", want: run()},
		"below a comment in one line":                 {body: "<!-- a --> b <!-- c -->\n/katkit run", want: run()},
		"below preformatted text":                     {body: "<PRE>\n/katkit cancel\n</PRE>\n/katkit run", want: run()},
		"no command":                                  {body: "What does katkit say?", none: true},
		"nothing":                                     {none: true},
		"not at the beginning of its line":            {body: "please /katkit run", none: true},
		"after a space, as in indented code":          {body: "    /katkit run", none: true},
		"after one space":                             {body: " /katkit run", none: true},
		"another word":                                {body: "/katkits run", none: true},
		"with a hyphen":                               {body: "/katkit-run", none: true},
		"in a quote":                                  {body: "> /katkit run", none: true},
		"in a list":                                   {body: "- /katkit run", none: true},
		"in code":                                     {body: "`/katkit run`", none: true},
		"in fenced code":                              {body: "```\n/katkit run\n```", none: true},
		"in fenced code that is not closed":           {body: "```\n/katkit run", none: true},
		"in a comment":                                {body: "see <!-- \n/katkit run\n-->", none: true},
		"in a second comment of a line":               {body: "<!-- a --> <!-- b\n/katkit run", none: true},
		"in a comment that begins where another ends": {body: "<!-- a\n--> <!-- b\n/katkit run\n-->", none: true},
		"what Katkit itself writes":                   {body: comment.Marker("ns", "app") + "\n\n- say `/katkit ok " + someSHA + "`", none: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, found, problem := comment.Parse(c.body)
			if diff := cmp.Diff(c.want, got); found == c.none || problem != "" || diff != "" {
				t.Errorf("found: %t, problem: %q, %s", found, problem, diff)
			}
		})
	}
}

// GitHub's text is cut at 4 KiB, which would make "run" of "run BUILD".
func TestTheLastLineOfACutTextIsNoCommand(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want bool
	}{
		"cut":                                 {strings.Repeat("x", 4096-len("\n/katkit run")) + "\n/katkit run", false},
		"cut, and lines end as on an old Mac": {strings.Repeat("x", 4096-len("\r/katkit run")) + "\r/katkit run", false},
		"cut before a long character":         {strings.Repeat("x", 4093-len("\n/katkit run")) + "\n/katkit run", false},
		"cut in a later line":                 {strings.Repeat("x", 4096-len("\n/katkit run\nab")) + "\n/katkit run\nab", true},
		"cut after the line's end":            {strings.Repeat("x", 4096-len("\n/katkit run\n")) + "\n/katkit run\n", true},
		"one line that was cut":               {"/katkit run" + strings.Repeat(" ", 4096-len("/katkit run")), false},
		"not cut":                             {strings.Repeat("x", 4092-len("\n/katkit run")) + "\n/katkit run", true},
	} {
		if _, found, problem := comment.Parse(c.body); found != c.want || problem != "" {
			t.Errorf("%s: found: %t, problem: %q", name, found, problem)
		}
	}
}

func TestParseTellsWhatItDoesNotUnderstand(t *testing.T) {
	for body, want := range map[string]string{
		"/katkit deploy":                         "there is no command `deploy`: `/katkit help`",
		"/katkit @all `x` [y](z)":                "there is no command `@all`",
		"/katkit `[x](y)":                        "there is no command `'[x](y)`",
		"/katkit cancel now":                     "`cancel` takes nothing more",
		"/katkit rerun BUILD":                    "`rerun` takes nothing more",
		"/katkit help me":                        "`help` takes nothing more",
		"/katkit approve":                        "`approve` takes the name of one phase",
		"/katkit approve A B":                    "`approve` takes the name of one phase",
		"/katkit ok":                             "`ok` takes the whole sha",
		"/katkit ok a b":                         "`ok` takes the whole sha",
		`/katkit run "LOAD TEST`:                 "a quote is not closed",
		`/katkit run ""`:                         `"" is not the name of a phase`,
		"/katkit run A A":                        "phase `A` is named twice",
		"/katkit run " + strings.Repeat("x", 64): " is not the name of a phase",
		"/katkit run a\xffb":                     " is not the name of a phase",
		"/katkit run" + strings.Repeat(" x", 65): "more phases are named than a run has",
	} {
		if _, found, problem := comment.Parse(body); !found || !strings.Contains(problem, want) {
			t.Errorf("%q: found %t, problem %q, want %q", body, found, problem, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"/katkit", "/katkit run A \"B C\"", "x\r\n/katkit ok " + someSHA, "```\n/katkit run\n```", "> /katkit", "<!--\n/katkit help\n-->\n/katkit cancel",
		"/katkit\u00a0approve DEPLOY", "~~~~\n~~~\n/katkit run", "/katkit `@x`", "/katkit run \xff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		command, found, problem := comment.Parse(body)
		switch {
		case !found && (problem != "" || command.Verb != ""):
			t.Errorf("nothing was found, and yet %+v %q", command, problem)
		case !utf8.ValidString(problem) || strings.ContainsAny(problem, "\r\n") || len(problem) > 1024:
			t.Errorf("the problem %q cannot be shown", problem)
		case found && problem == "" && len(command.Phases) > 64:
			t.Errorf("%d phases", len(command.Phases))
		}
		if strings.Count(problem, "`")%2 != 0 {
			t.Errorf("a code span of %q is not closed", problem)
		}
		if !found {
			return
		}
		// Quoted, the same is none any more.
		lines := strings.NewReplacer("\r\n", "\n> ", "\r", "\n> ", "\n", "\n> ").Replace(body)
		if _, found, _ := comment.Parse("> " + lines); found {
			t.Errorf("a quote of %q is a command", body)
		}
	})
}
