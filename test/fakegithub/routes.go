package fakegithub

import "net/http"

// route is an endpoint below a repository.
type route struct {
	method, path string
	// permission is what an App's token needs for it: to read for GET, to write for all else.
	permission string
	doc        string // page of GitHub's documentation
	serve      func(*call) reply
}

func repositoryRoutes() []route {
	const contents, pulls, statuses, checks, deployments = "contents", "pull_requests", "statuses", "checks", "deployments"
	return []route{
		{"GET", "", "metadata", "/repos/repos#get-a-repository", getRepository},
		{"GET", "/activity", contents, "/repos/repos#list-repository-activities", listActivities},
		{"GET", "/branches/{branch...}", contents, "/branches/branches#get-a-branch", getBranch},
		{"GET", "/check-runs/{id}", checks, "/checks/runs#get-a-check-run", getCheckRun},
		{"PATCH", "/check-runs/{id}", checks, "/checks/runs#update-a-check-run", updateCheckRun},
		{"POST", "/check-runs/{id}/rerequest", checks, "/checks/runs#rerequest-a-check-run", rerequestCheckRun},
		{"GET", "/check-suites/{id}", checks, "/checks/suites#get-a-check-suite", getCheckSuite},
		{"GET", "/check-suites/{id}/check-runs", checks, "/checks/runs#list-check-runs-in-a-check-suite", listSuite},
		{"POST", "/check-suites/{id}/rerequest", checks, "/checks/suites#rerequest-a-check-suite", rerequestCheckSuite},
		{"POST", "/check-runs", checks, "/checks/runs#create-a-check-run", createCheckRun},
		{"GET", "/collaborators/{login}/permission", "metadata", "/collaborators/collaborators#get-repository-permissions-for-a-user", getPermission},
		{"GET", "/commits", contents, "/commits/commits#list-commits", listCommits},
		{"GET", "/commits/{ref...}", contents, "/commits/commits#get-a-commit", getCommit},
		{"GET", "/commits/{ref}/branches-where-head", contents, "/commits/commits#list-branches-for-head-commit", listBranchesWhereHead},
		{"GET", "/commits/{ref}/check-runs", checks, "/checks/runs#list-check-runs-for-a-git-reference", listCheckRuns},
		{"GET", "/commits/{ref}/pulls", pulls, "/commits/commits#list-pull-requests-associated-with-a-commit", listPullsOfCommit},
		{"GET", "/commits/{ref}/statuses", statuses, "/commits/statuses#list-commit-statuses-for-a-reference", listStatuses},
		{"GET", "/compare/{basehead...}", contents, "/commits/commits#compare-two-commits", getComparison},
		{"GET", "/contents/{path...}", contents, "/repos/contents#get-repository-content", getContents},
		{"GET", "/contents", contents, "/repos/contents#get-repository-content", getContents},
		{"GET", "/deployments", deployments, "/deployments/deployments#list-deployments", listDeployments},
		{"POST", "/deployments", deployments, "/deployments/deployments#create-a-deployment", createDeployment},
		{"GET", "/deployments/{id}", deployments, "/deployments/deployments#get-a-deployment", getDeployment},
		{"GET", "/deployments/{id}/statuses", deployments, "/deployments/statuses#list-deployment-statuses", listDeploymentStatuses},
		{"POST", "/deployments/{id}/statuses", deployments, "/deployments/statuses#create-a-deployment-status", createDeploymentStatus},
		{"GET", "/git/ref/{ref...}", contents, "/git/refs#get-a-reference", getReference},
		{"GET", "/issues/comments", pulls, "/issues/comments#list-issue-comments-for-a-repository", listComments},
		{"GET", "/issues/{number}/{id}", pulls, "/issues/comments", getCommentOrList}, // /issues/comments/ID or /issues/NUMBER/comments
		{"PATCH", "/issues/comments/{id}", pulls, "/issues/comments#update-an-issue-comment", updateComment},
		{"GET", "/issues/comments/{id}/reactions", pulls, "/reactions/reactions#list-reactions-for-an-issue-comment", listReactions},
		{"POST", "/issues/comments/{id}/reactions", pulls, "/reactions/reactions#create-reaction-for-an-issue-comment", createReaction},
		{"POST", "/issues/{number}/comments", pulls, "/issues/comments#create-an-issue-comment", createComment},
		{"GET", "/pulls", pulls, "/pulls/pulls#list-pull-requests", listPulls},
		{"GET", "/pulls/{number}", pulls, "/pulls/pulls#get-a-pull-request", getPull},
		{"POST", "/statuses/{sha}", statuses, "/commits/statuses#create-a-commit-status", createStatus},
	}
}

// apiRoutes are all endpoints.
func (s *Server) apiRoutes() *http.ServeMux {
	mux := http.NewServeMux()
	for _, route := range repositoryRoutes() {
		mux.HandleFunc(route.method+" /api/v3/repos/{owner}/{name}"+route.path, func(w http.ResponseWriter, r *http.Request) {
			s.serveRepository(w, r, route)
		})
	}
	mux.HandleFunc("/api/v3/repositories/{id}", s.serveByID)
	mux.HandleFunc("/api/v3/repositories/{id}/{rest...}", s.serveByID)
	mux.HandleFunc("GET /api/v3/rate_limit", s.serveRateLimit)
	mux.HandleFunc("GET /api/v3/app/installations/{id}", s.serveInstallation)
	mux.HandleFunc("POST /api/v3/app/installations/{id}/access_tokens", s.serveAccessTokens)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeReply(w, notFound("Not Found", docs))
	})
	return mux
}
