// Package openapi holds requests to the REST API, and the stand-in's answers to them, against GitHub's own OpenAPI
// description. Tests put [Check] between their listener and the stand-in; at the test's end each difference fails it.
//
// The description is the npm package @octokit/openapi, which hack/octokit-assets.sh fetches; $OCTOKIT_ASSETS names its
// folder. Without it a test says so and goes on unchecked, except under CI, where it fails.
//
// What is checked beyond the description's schemas:
//   - a query parameter or a field of a body that the description doesn't know: GitHub would ignore it silently
//   - User-Agent, Accept and X-GitHub-Api-Version of each request
//   - errors that any endpoint may answer (401, 403, 404, 422, 429), redirects and 304, which it mostly leaves out
//
// Git's protocol and the control API are none of its business, and an answer that carries [fakegithub.HeaderFault] is
// wrong on purpose: only the request before it is checked.
package openapi
