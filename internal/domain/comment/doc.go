// Package comment decides what comes of comments on pull requests that begin with /katkit: which are commands, who is obeyed, what
// is done, and what is answered. It is pure; the link controller reads the comments, acts and answers.
//
// What always holds:
//   - Who has no write permission is not obeyed, and not answered either: anybody may write comments, and nobody shall make
//     Katkit write.
//   - A command is judged by GitHub's numbers of accounts and the permission that the account has now. An edited comment is not
//     read again.
//   - No command runs a commit of a fork, or of somebody without write permission, but "ok" with its whole sha.
//   - A comment that is looked at again comes to the same: its run's name is made of its number, what it cancelled or approved
//     says so, and its answer has its number in it.
//   - What people wrote is repeated in code spans only, which mention nobody and link nowhere.
package comment
