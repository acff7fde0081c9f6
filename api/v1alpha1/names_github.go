package v1alpha1

// Annotations that tell who asked for something by a comment on GitHub, as in "ann (#583231) in comment 42": the login, the number
// of the account, which stays the same when the login changes, and the number of the comment.
const (
	// AnnotationAskedOnGitHub on a run is who asked for it.
	AnnotationAskedOnGitHub = "katkit.dev/asked-on-github"
	// AnnotationCancelledOnGitHub on a run is who cancelled it.
	AnnotationCancelledOnGitHub = "katkit.dev/cancelled-on-github"
	// AnnotationApprovedOnGitHub on a Phase is who had Katkit approve it.
	AnnotationApprovedOnGitHub = "katkit.dev/approved-on-github"
)

// Reasons of events about comments on GitHub.
const (
	// ReasonCommentNotAnswered: a comment was obeyed or not, and GitHub does not let Katkit answer it.
	ReasonCommentNotAnswered = "CommentNotAnswered"
	// ReasonCommentsNotRead: GitHub does not let Katkit read comments, or people's permissions, or there were too many at once.
	ReasonCommentsNotRead = "CommentsNotRead"
)
