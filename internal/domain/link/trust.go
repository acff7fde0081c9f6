package link

// Levels of a person's permission on a repository, as GitHub names them. A maintainer has write, a triager read.
// https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user
const (
	LevelAdmin = "admin"
	LevelWrite = "write"
)

// Permission is what GitHub says somebody may do to a repository.
type Permission struct {
	// UserID is GitHub's number of whom it is about: a login may be another person's by now.
	UserID int64
	// Bot: it is an App or another machine.
	Bot bool
	// Level is LevelAdmin, LevelWrite, or anything else, which is less.
	Level string
}

// Actor is who did something on GitHub.
type Actor struct {
	// ID is GitHub's number of the account; 0: it was deleted.
	ID int64
	// Bot: it is an App or another machine.
	Bot bool
	// Permission of the account on the linked repository.
	Permission Permission
}

// MayWrite tells whether it is a person with write permission on the repository. GitHub's answer has to be about that account:
// it is asked for by its login.
func (a Actor) MayWrite() bool {
	person := a.ID > 0 && !a.Bot && !a.Permission.Bot && a.Permission.UserID == a.ID
	return person && (a.Permission.Level == LevelAdmin || a.Permission.Level == LevelWrite)
}

// Change is a commit that somebody wants to have run.
type Change struct {
	// Fork: it is of another repository than the linked one, or of a deleted one.
	Fork bool
	// Named: the actor names this very commit, by its full sha. Otherwise it came with a pull request that the actor opened.
	Named bool
	Actor Actor
}

// Trusts tells whether a commit of a pull request is run. Of a branch of the repository, that of an actor with write permission is; any
// commit is that such an actor names. Who git says wrote it is of no account: anybody can write anything there.
func Trusts(change Change) bool {
	return change.Actor.MayWrite() && (change.Named || !change.Fork)
}
