// Package github reads repositories of GitHub and GitHub Enterprise through the REST API, and writes commit statuses and
// deployments. It is the only importer of go-github, and none of go-github's types leaves it. Controllers take from it
// what they need through interfaces of their own.
//
// A [Factory] is made once, from the manager's allow-list of hosts. It hands out one [Client] per
// host and credential; all of them share connections and one bounded cache. The credential is a token, or a GitHub App, whose
// client gets itself tokens of an hour: for one repository, with the permissions that are needed and granted, renewed in time.
//
// What always holds:
//   - A host that is not on the allow-list is never contacted, and a token is sent to the API of its
//     own host alone: a redirect is followed on GET only and never to another origin.
//   - What one token was answered is never served to another. The cache knows credentials by a
//     keyed digest, and no error, log line or cache key holds a token or a key.
//   - A request ends after [Options].Timeout, an answer is read up to a bound. A read that fails without an answer, or with one of 5xx, is
//     tried once more at once; else nothing is retried here: the caller's work queue does that, with the [Kind] of the error as its guide.
//   - What GitHub refused to be told for want of a permission is not sent again by the same credential for some minutes.
//   - What has been read before and can change is asked for with its ETag, since GitHub doesn't count
//     an answer 304 against the rate limit. What cannot change (a commit by its full sha, a file
//     at a full sha) is not asked for twice by the same token while the cache holds it.
package github
