package logs

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
	"katkit.dev/katkit/internal/domain/text"
)

// tellIncomplete says that the store has not all of a log that it has shown, or not yet, and passes on the end that Katkit kept if that
// was not shown: where a build failed, it is in there.
func (r *reader) tellIncomplete(ctx context.Context, t target, shown *counter, out io.Writer) error {
	t = r.again(ctx, t)
	log := t.replica.Log
	if !t.ended() || log == nil || log.Stored == nil {
		return nil
	}
	if log.Stored.State == v1alpha1.StoredLogDelivering {
		r.say("%s: the rest of its log, from byte %d on, is still on its way to the log store: look again later", t.name(), log.Stored.Bytes)
	}
	if log.Stored.State != v1alpha1.StoredLogIncomplete {
		return nil
	}
	r.say("%s: the log store has not all of its log: %s", t.name(), text.Line(log.Stored.Message))
	end := lastLines(r.keptEnd(ctx, t, log), r.tail)
	if shown.endsWith(end) || !r.since.IsZero() {
		return nil
	}
	r.say("%s: its last %s, which were kept beside the log store:", t.name(), size(int64(len(end))))
	_, err := io.WriteString(out, end)
	return err
}

// tellMissing says what the log of a Pod did not have, when it is known how long the log is.
func (r *reader) tellMissing(ctx context.Context, t target, shown int64, noStore *refusal) {
	if r.tail >= 0 || !r.since.IsZero() {
		return
	}
	now := r.again(ctx, t)
	if log := now.replica.Log; log != nil && shown < log.Bytes {
		r.say("%s: its Pod had only the last %s of %s: %s", t.name(), size(shown), size(log.Bytes), noStore.why)
	}
}

// kept passes on the end of a log that Katkit keeps when a Pod goes.
func (r *reader) kept(ctx context.Context, t target, out io.Writer, why string) error {
	t = r.again(ctx, t)
	log := t.replica.Log
	if log == nil {
		if said := cmp.Or(t.replica.Message, t.replica.Reason); t.ended() && said != "" {
			why = text.Line(said)
		}
		return noLogError(fmt.Sprintf("%s has no log: %s", t.name(), why))
	}
	if end := t.replica.CompletionTime; !r.since.IsZero() && end != nil && end.Time.Before(r.since) {
		return nil
	}
	end := r.keptEnd(ctx, t, log)
	if int64(len(end)) < log.Bytes {
		r.say("%s: only the last %s of %s are left: %s", t.name(), size(int64(len(end))), size(log.Bytes), why)
	}
	_, err := io.WriteString(out, lastLines(end, r.tail))
	return err
}

// keptEnd is the end of a log that Katkit keeps.
func (r *reader) keptEnd(ctx context.Context, t target, log *v1alpha1.LogStatus) string {
	if log.ConfigMap == "" {
		return log.Tail
	}
	var kept corev1.ConfigMap
	if err := r.live.Get(ctx, client.ObjectKey{Namespace: t.phase.Namespace, Name: log.ConfigMap}, &kept); err != nil {
		r.say("%s: ConfigMap %s, which has more of its log, cannot be read: %v", t.name(), log.ConfigMap, err)
		return log.Tail
	}
	return kept.Data[v1alpha1.ConfigMapKeyLog]
}

// lastLines are the last n lines of a text; all for -1.
func lastLines(s string, n int64) string {
	if n < 0 {
		return s
	}
	start := len(strings.TrimSuffix(s, "\n"))
	for ; n > 0 && start >= 0; n-- {
		start = strings.LastIndexByte(s[:start], '\n')
	}
	if start < 0 {
		return s
	}
	return strings.TrimPrefix(s[start:], "\n")
}
