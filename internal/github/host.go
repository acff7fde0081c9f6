package github

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Host is one GitHub that tenants may link repositories of.
type Host struct {
	// Name is what a link's spec.host says, in lower case: "github.com", "github.example.com".
	Name string
	// APIURL is the root of the REST API, with a trailing slash.
	APIURL string
	// CloneURL is what owner/name.git is appended to, with a trailing slash.
	CloneURL string
}

// DotCom is the public GitHub.
func DotCom() Host {
	return Host{Name: "github.com", APIURL: "https://api.github.com/", CloneURL: "https://github.com/"}
}

// hostName is a DNS name with an optional port.
var hostName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:[0-9]{1,5})?$`)

// ParseHost reads one value of the manager's flag --github-host:
//
//	github.com                       the public GitHub
//	github.example.com               a GitHub Enterprise Server, https://github.example.com/api/v3/
//	github.example.com=http://ghe:80 the same name, served at another address: the API at
//	                                 http://ghe:80/api/v3/, clones from http://ghe:80/owner/name.git
//
// Plain http is used only where an address says so. The error names the value and what was expected.
func ParseHost(value string) (Host, error) {
	name, address, explicit := strings.Cut(strings.TrimSpace(value), "=")
	name = strings.ToLower(name)
	if !hostName.MatchString(name) {
		return Host{}, fmt.Errorf("GitHub host %q: %q is not a host name: expected NAME or NAME=https://ADDRESS", value, name)
	}
	if !explicit && name == "github.com" {
		return DotCom(), nil
	}
	if !explicit {
		address = "https://" + name
	}
	base, err := url.Parse(address)
	if err != nil || base.Host == "" || (base.Scheme != "https" && base.Scheme != "http") ||
		base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		// The address isn't repeated: someone may have put a password into it.
		return Host{}, fmt.Errorf("GitHub host %s: its address must be an absolute http or https URL without user, query and fragment: expected NAME=https://ADDRESS", name)
	}
	root := strings.TrimRight(base.String(), "/") + "/"
	return Host{Name: name, APIURL: root + "api/v3/", CloneURL: root}, nil
}

// Cloned returns the host and the repository (owner/name) of an address that [Client.CloneURL] gave. It is not found when the
// host is not on the allow-list (any more).
func (f *Factory) Cloned(address string) (host, repository string, found bool) {
	for name, known := range f.hosts {
		path, ok := strings.CutPrefix(address, known.CloneURL)
		if repository, whole := strings.CutSuffix(path, ".git"); ok && whole && validRepository(repository) {
			return name, repository, true
		}
	}
	return "", "", false
}

// origin is the scheme and authority of the host's API: where its tokens may be sent.
func (h Host) origin() (origin, error) {
	u, err := url.Parse(h.APIURL)
	if err != nil || u.Host == "" || !strings.HasSuffix(u.Path, "/") {
		return origin{}, fmt.Errorf("GitHub host %s: API address %q must be an absolute URL that ends in a slash", h.Name, h.APIURL)
	}
	return originOf(u), nil
}

// origin is the part of a URL that decides who receives a request.
type origin struct{ scheme, host string }

func originOf(u *url.URL) origin {
	return origin{scheme: strings.ToLower(u.Scheme), host: strings.ToLower(u.Host)}
}
