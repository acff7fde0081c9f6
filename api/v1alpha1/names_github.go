package v1alpha1

// Annotations that tell who asked for something on GitHub by a comment, as in "ann (#583231) in comment 42": the login, the number
// of the account, which stays the same when the login changes, and the number of the comment.
const (
	// AnnotationAskedOnGitHub on a run is who asked for it. Of one that the button Re-run made, whose presser GitHub does not tell, it
	// is "Re-run of check run 4711".
	AnnotationAskedOnGitHub = "katkit.dev/asked-on-github"
	// AnnotationCancelledOnGitHub on a run is who cancelled it.
	AnnotationCancelledOnGitHub = "katkit.dev/cancelled-on-github"
	// AnnotationApprovedOnGitHub on a Phase is who had Katkit approve it.
	AnnotationApprovedOnGitHub = "katkit.dev/approved-on-github"
)

// Reasons of events about comments, and the button Re-run, on GitHub.
const (
	// ReasonCommentNotAnswered: a comment was obeyed or not, and GitHub does not let Katkit answer it.
	ReasonCommentNotAnswered = "CommentNotAnswered"
	// ReasonCommentsNotRead: GitHub does not let Katkit read comments, or people's permissions, or there were too many at once.
	ReasonCommentsNotRead = "CommentsNotRead"
	// ReasonRerunNotObeyed: the button Re-run may have been pressed, and the link does not obey it, or GitHub does not tell enough of it.
	ReasonRerunNotObeyed = "RerunNotObeyed"
)
