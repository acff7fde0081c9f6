// Package fakegithub is a stand-in for a GitHub Enterprise Server, for the tests and the demo. A [Server] is
// an http.Handler: tests serve it with httptest, cmd/fakegithub serves it in a Pod.
//
//	/api/v3/...        the REST endpoints that Katkit uses, answering as GitHub's OpenAPI description says; see package openapi
//	/owner/name.git    git's smart HTTP protocol, by git's own http-backend; below info/lfs downloads of Git LFS
//	/_control/...      what a person would do on the web site, and faults; see [Control]
//	/healthz           200 when it serves
//
// What always holds:
//   - Repositories are real bare repositories below [Options].Dir, and what REST says of branches, commits
//     and files is read from them: a push is seen at once.
//   - Tokens are checked everywhere. Without access a private repository does not exist (404).
//   - An answer carries an ETag that depends on the token; a 304 doesn't count against the rate limit.
//   - An App signs for its tokens, which last an hour of the server's clock and do no more than was asked for.
//   - What is known beside git (names, people, pull requests, what was sent) survives a restart in Dir/state.json;
//     tokens, Apps, rate limits, faults, the clock and the record of requests don't.
//
// It differs from GitHub where Katkit can't tell: a commit lists no changed files, a comparison their names but not the
// changes, and a pull request knows nothing of merging.
package fakegithub
