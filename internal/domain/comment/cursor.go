package comment

import (
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// Cursor is how far a repository's comments were looked at.
type Cursor struct {
	// Active: the trigger was set at the last look. What was there before it was set is not obeyed.
	Active bool
	// ID of the newest comment that was looked at, and when it was written; zero when there was none.
	ID   int64
	Time time.Time
}

// CursorOf reads a link's cursor.
func CursorOf(record *v1alpha1.TriggersStatus) Cursor {
	if record == nil {
		return Cursor{}
	}
	cursor := Cursor{Active: slices.Contains(record.Active, v1alpha1.TriggerComments), ID: record.LastComment}
	if record.LastCommentTime != nil {
		cursor.Time = record.LastCommentTime.Time
	}
	return cursor
}

// Past is the cursor after a comment was looked at. Comments come in the order of their numbers.
func (c Cursor) Past(id int64, created time.Time) Cursor {
	return Cursor{Active: true, ID: max(c.ID, id), Time: latest(c.Time, created)}
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Record writes a cursor into a link's record of its triggers, which is nil when there is nothing in it.
func (c Cursor) Record(record *v1alpha1.TriggersStatus) *v1alpha1.TriggersStatus {
	after := record.DeepCopy()
	if after == nil {
		after = &v1alpha1.TriggersStatus{}
	}
	after.Active = slices.DeleteFunc(after.Active, func(name v1alpha1.TriggerName) bool { return name == v1alpha1.TriggerComments })
	after.LastComment, after.LastCommentTime = 0, nil
	if c.Active {
		after.Active = append(after.Active, v1alpha1.TriggerComments)
		after.LastComment = c.ID
		if !c.Time.IsZero() {
			after.LastCommentTime = new(metav1.NewTime(c.Time))
		}
	}
	slices.Sort(after.Active)
	if len(after.Active) == 0 && len(after.Handled) == 0 {
		return nil
	}
	return after
}
