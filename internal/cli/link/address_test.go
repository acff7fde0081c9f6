package link

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// github is what a token of GitHub looks like.
const github = "ghp_0123456789abcdefghijABCDEFGHIJ012345"

func TestParseAddress(t *testing.T) {
	for typed, want := range map[string]Address{
		"acme/shop":                                 {Repository: "acme/shop"},
		" acme/shop\n":                              {Repository: "acme/shop"},
		"acme/shop/":                                {Repository: "acme/shop"},
		"acme/shop.git":                             {Repository: "acme/shop"},
		"Acme-1/.github":                            {Repository: "Acme-1/.github"},
		"acme_emu/shop.js":                          {Repository: "acme_emu/shop.js"},
		"https://github.com/acme/shop":              {Host: "github.com", Repository: "acme/shop"},
		"HTTPS://GitHub.com/acme/Shop/":             {Host: "github.com", Repository: "acme/Shop"},
		"http://www.github.com/acme/shop":           {Host: "github.com", Repository: "acme/shop"},
		"https://github.com/acme/shop.git":          {Host: "github.com", Repository: "acme/shop"},
		"https://github.com/acme/shop?tab=readme":   {Host: "github.com", Repository: "acme/shop"},
		"https://github.com/acme/shop#install":      {Host: "github.com", Repository: "acme/shop"},
		"https://github.com/acme/shop/tree/main":    {Host: "github.com", Repository: "acme/shop", Tree: "main"},
		"https://github.com/acme/shop/tree/a/b":     {Host: "github.com", Repository: "acme/shop", Tree: "a/b"},
		"https://github.com/acme/shop/tree/fix%231": {Host: "github.com", Repository: "acme/shop", Tree: "fix#1"},
		"github.com/acme/shop":                      {Host: "github.com", Repository: "acme/shop"},
		"git.example.com:8443/acme/shop/":           {Host: "git.example.com:8443", Repository: "acme/shop"},
		"https://git.example.com:8443/acme/shop":    {Host: "git.example.com:8443", Repository: "acme/shop"},
		"git@github.com:acme/shop.git":              {Host: "github.com", Repository: "acme/shop"},
		"org-1234@github.com:acme/shop.git":         {Host: "github.com", Repository: "acme/shop"},
		"git@git.example.com:/acme/shop":            {Host: "git.example.com", Repository: "acme/shop"},
		"ssh://git@github.com/acme/shop.git":        {Host: "github.com", Repository: "acme/shop"},
		"ssh://git@ssh.github.com:443/acme/shop":    {Host: "github.com", Repository: "acme/shop"},
		"git+ssh://git@git.example.com:22/a/b.git":  {Host: "git.example.com", Repository: "a/b"},
	} {
		if got, err := ParseAddress(typed); err != nil || got != want {
			t.Errorf("ParseAddress(%q) = %+v, %v, want %+v", typed, got, err, want)
		}
	}
}

func TestParseAddressRefuses(t *testing.T) {
	const wanted = "expected OWNER/REPO, as in acme/shop, or the address of its page, as in https://github.com/acme/shop"
	for typed, want := range map[string]string{
		"":                                            `"" does not name a repository: ` + wanted,
		"shop":                                        `"shop" does not name a repository: ` + wanted,
		"acme/":                                       wanted,
		"/shop/":                                      wanted,
		"acme/.git":                                   `"acme/.git" does not name a repository of GitHub`,
		"acme/..":                                     wanted,
		"ac me/shop":                                  wanted,
		"-acme/shop":                                  wanted,
		"acme/" + strings.Repeat("a", 140):            wanted,
		"acme/shop/api":                               `"acme/shop/api" is a page within a repository`,
		"https://github.com/acme":                     wanted,
		"https://github.com/acme/shop/pull/42":        "/tree/BRANCH",
		"https://github.com/acme/shop/blob/m/a":       "is a page within a repository",
		"https://github.com/acme/shop/tree/":          "is a page within a repository",
		"https:///acme/shop":                          "is not the name of a host: expected one such as github.example.com",
		"https://git_hub.com/acme/shop":               `"git_hub.com" is not the name of a host`,
		"ssh:///acme/shop":                            "is not the name of a host",
		"ftp://github.com/acme/shop":                  "does not begin with https://, ssh:// or git@",
		"https://git hub.com/acme/shop":               "is not an address",
		"https://github.com/acme/%zz":                 "is not an address",
		"https://ann@github.com/acme/shop":            "--token-file",
		"https://ann:hunter2@github.com/acme/s":       "revoke it",
		"ssh://ann:hunter2@github.com/acme/shop":      "revoke it",
		"ann:hunter2@github.com/acme/shop":            "revoke it",
		"https://" + github + "@github.com/a/b":       "revoke it",
		"https://x/" + github:                         "what was given does not name a repository",
		"https://raw.example.com/a/b/c?token=hunter2": "is a page within a repository",
		"ftp://ann:hunter2@github.com/acme/shop":      `"…@github.com/acme/shop" does not begin`,
	} {
		got, err := ParseAddress(typed)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseAddress(%q) = %+v, %v, want %s", typed, got, err, want)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), github) {
			t.Errorf("ParseAddress(%q) shows a secret: %v", typed, err)
		}
	}
}

func TestPlace(t *testing.T) {
	for name, c := range map[string]struct{ tree, branch, folder, want, refused string }{
		"no tree, no flags":                 {want: " in "},
		"no tree, both flags":               {branch: "b", folder: "f", want: "b in f"},
		"a branch in the address":           {tree: "main", want: "main in "},
		"the same branch twice":             {tree: "main", branch: "main", folder: "f", want: "main in f"},
		"another branch":                    {tree: "main", branch: "mai", refused: `--branch "mai" is another branch than /tree/main`},
		"a tree that is not plain":          {tree: "fix/api", refused: "say which branch it is with --branch"},
		"a branch with a slash":             {tree: "fix/api", branch: "fix/api", want: "fix/api in "},
		"a branch and a folder":             {tree: "main/services/api", branch: "main", want: "main in services/api"},
		"a branch and the same folder":      {tree: "main/api", branch: "main", folder: "/api/", want: "main in api"},
		"a branch and another folder":       {tree: "main/api", branch: "main", folder: "web", refused: `--folder "web" is another folder than "api"`},
		"a branch that begins like another": {tree: "main2/api", branch: "main", refused: "is another branch"},
	} {
		branch, folder, err := Address{Tree: c.tree}.Place(c.branch, c.folder)
		if err != nil {
			if c.refused == "" || !strings.Contains(err.Error(), c.refused) {
				t.Errorf("%s: %v, want %q", name, err, c.refused)
			}
		} else if got := branch + " in " + folder; got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

// FuzzParseAddress holds that what is accepted is what the API takes, that its address means the same, and that a refusal is
// one safe line which does not show a credential.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"acme/shop", "https://github.com/acme/shop.git/tree/a%2Fb?x#y", "git@github.com:acme/shop", "ssh://git@h:22/a/b",
		"https://u:p@h/a/b", "h.i:1/a/b", "a/b/c", "\x1b[2J\u202e/\xff", "https://[::1]/a/b", "https://%31/a/b", github + "/x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		a, err := ParseAddress(typed)
		if err != nil {
			line := err.Error()
			if !utf8.ValidString(line) || len(line) > 800 || strings.ContainsFunc(line, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
				t.Errorf("ParseAddress(%q): %q", typed, line)
			}
			return
		}
		if !repositoryName.MatchString(a.Repository) || len(a.Repository) > maxRepository || a.Host != "" && !hostName.MatchString(a.Host) {
			t.Errorf("ParseAddress(%q) = %+v", typed, a)
		}
		if _, rest, _ := strings.Cut(a.Repository, "/"); strings.HasSuffix(rest, ".git") {
			return // acme/shop.git.git
		}
		host := a.Host
		if host == "" {
			host = defaultHost
		}
		again, err := ParseAddress("https://" + host + "/" + a.Repository)
		if want := (Address{Host: host, Repository: a.Repository}); err != nil || again != want {
			t.Errorf("%q became %+v, and then %+v, %v", typed, a, again, err)
		}
		name := defaultName(a.Repository, a.Tree)
		if len(name) > 63 || strings.Trim(name, "-") != name || noLabel.MatchString(strings.ReplaceAll(name, "-", "")) {
			t.Errorf("%+v has the name %q", a, name)
		}
		if branch, folder, err := a.Place("", ""); err == nil && (branch != a.Tree || folder != "") {
			t.Errorf("%+v is branch %q, folder %q", a, branch, folder)
		}
	})
}
