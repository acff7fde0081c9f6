package click_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"katkit.dev/katkit/internal/domain/click"
)

var noon = time.Date(2026, 1, 2, 12, 0, 0, 123_000_000, time.UTC)

func press(kind click.Kind, id int64, after time.Duration) click.Click {
	return click.Click{Button: click.Button{Kind: kind, ID: id}, At: noon.Add(after)}
}

func TestClicksAreReadAsTheyWereWritten(t *testing.T) {
	clicks := []click.Click{press(click.CheckRun, 4711, 0), press(click.CheckSuite, 4711, time.Second), press(click.CheckRun, 1<<62, time.Minute)}
	text := click.Text(clicks)
	if !strings.HasPrefix(text, "check_run/4711@2026-01-02T12:00:00.123Z check_suite/4711@") {
		t.Errorf("%q: the manager's annotation keeps its form", text)
	}
	if diff := cmp.Diff(clicks, click.Parse(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseDropsWhatIsNoClick(t *testing.T) {
	good := press(click.CheckRun, 1, 0)
	for name, text := range map[string]string{
		"empty":             "",
		"a number":          "4711",
		"another kind":      "push/1@2026-01-02T12:00:00.123Z",
		"no number":         "check_run/x@2026-01-02T12:00:00.123Z",
		"zero":              "check_run/0@2026-01-02T12:00:00.123Z",
		"a negative number": "check_run/-1@2026-01-02T12:00:00.123Z",
		"a signed number":   "check_run/+1@2026-01-02T12:00:00.123Z",
		"too large":         "check_run/99999999999999999999@2026-01-02T12:00:00.123Z",
		"no time":           "check_run/2",
		"another time":      "check_run/2@yesterday",
		"a zone of its own": "check_run/2@2026-01-02T12:00:00.123+02:00",
	} {
		if got := click.Parse(text + " " + good.String() + "\t" + text); len(got) != 1 || got[0] != good {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := click.Parse(strings.Repeat(" ", click.MaxText) + good.String()); got != nil {
		t.Errorf("of a long text: %v", got)
	}
}

func TestAddKeepsTheNewestOfEachButtonAndSoMany(t *testing.T) {
	var clicks, want []click.Click
	for i := range int64(40) {
		clicks = click.Add(clicks, press(click.CheckRun, 1<<62+i%20, time.Duration(i)*time.Second))
	}
	for i := int64(24); i < 40; i++ {
		want = append(want, press(click.CheckRun, 1<<62+i%20, time.Duration(i)*time.Second))
	}
	if diff := cmp.Diff(want, clicks); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if text := click.Text(clicks); len(text) > click.MaxText || len(click.Parse(text)) != click.Max {
		t.Errorf("%d bytes, of which %d clicks are read", len(text), len(click.Parse(text)))
	}
}

func TestFreshForgetsWhatIsOld(t *testing.T) {
	old, now, ahead := press(click.CheckRun, 1, -11*time.Minute), press(click.CheckRun, 2, -9*time.Minute), press(click.CheckRun, 3, time.Hour)
	if diff := cmp.Diff([]click.Click{now}, click.Fresh([]click.Click{old, now, ahead}, noon)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(press(click.CheckRun, 1, 0).String() + " " + press(click.CheckSuite, 2, 0).String())
	f.Add(fmt.Sprint("check_run/", int64(1)<<62, "@x"))
	f.Fuzz(func(t *testing.T, text string) {
		clicks := click.Parse(text)
		again := click.Text(clicks)
		if len(clicks) > click.Max || len(again) > click.MaxText {
			t.Errorf("%d clicks in %d bytes", len(clicks), len(again))
		}
		if diff := cmp.Diff(clicks, click.Parse(again)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
