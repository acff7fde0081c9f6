// Package click is the form in which the receiver tells the link controller of buttons that were pressed on GitHub: the annotation
// katkit.dev/rerun-requested of a link. It is pure.
//
// What always holds: a text has [Max] clicks at most, each of a bounded length; what is none is dropped; a click that is written is read
// as the same.
package click

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// Max is how many clicks of a link are kept.
	Max = 16
	// Age is how long a click is kept, for a manager that was not there meanwhile.
	Age = 10 * time.Minute
	// MaxText bounds the text of that many clicks, in bytes.
	MaxText = 1024
)

// Kind is what a button is of, in GitHub's words.
type Kind string

const (
	// CheckRun is the button Re-run of a check run.
	CheckRun Kind = "check_run"
	// CheckSuite is the button for all check runs of a commit.
	CheckSuite Kind = "check_suite"
)

// Button is one that can be pressed.
type Button struct {
	Kind Kind
	// ID is GitHub's number of the check run or check suite.
	ID int64
}

// String is the button as the link's status has it, as in "check_run/4711".
func (b Button) String() string { return string(b.Kind) + "/" + strconv.FormatInt(b.ID, 10) }

// Click is one press of a button.
type Click struct {
	Button
	// At is when the receiver heard of it, in UTC with milliseconds, which tells presses of one button apart.
	At time.Time
}

// form of a time in a click.
const form = "2006-01-02T15:04:05.000Z"

// String is the click as the annotation and the link's status have it, as in "check_run/4711@2026-01-02T03:04:05.123Z".
func (c Click) String() string {
	return c.Button.String() + "@" + c.At.UTC().Format(form)
}

func parse(text string) (Click, bool) {
	button, at, _ := strings.Cut(text, "@")
	kind, number, _ := strings.Cut(button, "/")
	id, err := strconv.ParseInt(number, 10, 64)
	if err != nil || id < 1 || (Kind(kind) != CheckRun && Kind(kind) != CheckSuite) {
		return Click{}, false
	}
	time, err := time.Parse(form, at)
	one := Click{Button: Button{Kind: Kind(kind), ID: id}, At: time}
	return one, err == nil && one.String() == text
}

// Parse reads the clicks of an annotation, the newest last. What is longer than MaxText holds none.
func Parse(annotation string) []Click {
	if len(annotation) > MaxText {
		return nil
	}
	var clicks []Click
	for word := range strings.FieldsSeq(annotation) {
		if one, ok := parse(word); ok {
			clicks = Add(clicks, one)
		}
	}
	return clicks
}

// Text is the annotation of clicks.
func Text(clicks []Click) string {
	words := make([]string, 0, len(clicks))
	for _, one := range clicks {
		words = append(words, one.String())
	}
	return strings.Join(words, " ")
}

// Add puts newer clicks behind older ones. Of one button the newest stays, and of too many the newest do.
func Add(clicks []Click, newer ...Click) []Click {
	clicks = slices.Clone(clicks)
	for _, one := range newer {
		clicks = slices.DeleteFunc(clicks, func(known Click) bool { return known.Button == one.Button })
		clicks = append(clicks, one)
	}
	return clicks[max(0, len(clicks)-Max):]
}

// Fresh leaves out clicks that are too old to be kept, and those of a time to come, which no receiver wrote.
func Fresh(clicks []Click, now time.Time) []Click {
	return slices.DeleteFunc(slices.Clone(clicks), func(one Click) bool { return now.Sub(one.At).Abs() > Age })
}
