package fakegithub

import (
	"net/http"
	"strconv"
)

// itemRoutes are the endpoints of the control API for people, forks, pull requests, comments, Apps and the clock.
func (s *Server) itemRoutes(route func(pattern string, serve func(*http.Request) (any, error))) {
	const repository = " /_control/repositories/{owner}/{name}"
	route("DELETE"+repository, func(r *http.Request) (any, error) { return nil, s.DeleteRepository(repositoryOf(r)) })
	route("POST"+repository+"/forks", controlled(func(r *http.Request, in createRepository) (any, error) {
		_, err := s.Fork(repositoryOf(r), in.Name)
		return nil, err
	}))
	route("PUT"+repository+"/roles", controlled(func(r *http.Request, in setUser) (any, error) {
		repository, err := s.controlledRepository(r)
		if err != nil {
			return nil, err
		}
		return nil, repository.SetRole(in.Login, in.Role)
	}))
	route("PATCH"+repository+"/pulls/{number}", controlled(func(r *http.Request, in changePull) (any, error) {
		repository, number, err := s.controlledPull(r)
		if err != nil {
			return nil, err
		}
		if in.Labels != nil {
			err = repository.LabelPullRequest(number, *in.Labels...)
		}
		switch {
		case err == nil && in.State == "closed":
			err = repository.ClosePullRequest(number)
		case err == nil && in.State == "open":
			err = repository.ReopenPullRequest(number)
		}
		return nil, err
	}))
	route("POST"+repository+"/pulls/{number}/comments", controlled(func(r *http.Request, in addComment) (any, error) {
		repository, number, err := s.controlledPull(r)
		if err != nil {
			return nil, err
		}
		id, err := repository.Comment(number, in.Login, in.Body)
		return created{ID: id}, err
	}))
	for path, press := range map[string]func(*Repository, string, int64) error{"/check-runs": (*Repository).PressRerun, "/check-suites": (*Repository).PressRerunAll} {
		route("POST"+repository+path+"/{id}/press", controlled(func(r *http.Request, in setUser) (any, error) {
			repository, err := s.controlledRepository(r)
			if err != nil {
				return nil, err
			}
			id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
			if err != nil {
				return nil, err
			}
			return nil, press(repository, in.Login, id)
		}))
	}
	route("GET"+repository+"/sent", func(r *http.Request) (any, error) {
		repository, err := s.controlledRepository(r)
		if err != nil {
			return nil, err
		}
		return repository.Sent(), nil
	})
	route("PUT /_control/users", controlled(func(_ *http.Request, in setUser) (any, error) { return nil, s.AddUser(in.Login) }))
	route("PUT /_control/apps", controlled(func(_ *http.Request, in App) (any, error) { return nil, s.AddApp(in) }))
	route("POST /_control/clock", controlled(func(_ *http.Request, in advanceClock) (any, error) {
		s.AdvanceClock(in.By)
		return nil, nil
	}))
}

func (s *Server) controlledPull(r *http.Request) (*Repository, int, error) {
	repository, err := s.controlledRepository(r)
	if err != nil {
		return nil, 0, err
	}
	number, err := strconv.Atoi(r.PathValue("number"))
	return repository, number, err
}
