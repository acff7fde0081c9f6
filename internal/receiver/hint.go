package receiver

import (
	"time"

	"katkit.dev/katkit/internal/domain/click"
)

// Hint is what a link is told.
type Hint struct {
	// At is when somebody asked for the link to be looked at, and Cause what made him: see v1alpha1.AnnotationSyncRequested. Without a
	// cause nobody asked.
	At    time.Time
	Cause string
	// Clicks of buttons, the newest last; click.Max at most.
	Clicks []click.Click
}

// value is that of v1alpha1.AnnotationSyncRequested.
func (h Hint) value() string { return h.At.UTC().Format(time.RFC3339Nano) + " " + h.Cause }

// And is a hint with a newer one.
func (h Hint) And(newer Hint) Hint {
	if newer.Cause != "" {
		h.At, h.Cause = newer.At, newer.Cause
	}
	h.Clicks = click.Add(h.Clicks, newer.Clicks...)
	return h
}
