// Package annotation finds in the log of a failed build what can be shown beside the lines of a file: what GitHub calls the
// annotations of a check run.
//
// Called by whoever reports runs to GitHub. It is pure. A log is a stranger's: whatever is in it, an Annotation has a path
// inside the repository, bounded texts without control characters, and is one that GitHub takes; the cost is linear in the
// log's length. Whether the repository has such a file, and such a line, is not known here.
package annotation
