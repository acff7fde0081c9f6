package link

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

func TestWanted(t *testing.T) {
	for name, c := range map[string]struct {
		o       options
		want    string // name, host, repository, branch, folder, env, Secret
		refused string
	}{
		"as little as can be":     {o: options{address: "acme/Shop.js"}, want: "shop-js github.com acme/Shop.js main [] [] []"},
		"all flags":               {o: options{address: "acme/shop", branch: "b", folder: "/x/Y_z/", env: "BETA", host: "GIT.example.com", secret: "s"}, want: "shop-x-y-z git.example.com acme/shop b [x/Y_z] [BETA] [s]"},
		"a token":                 {o: options{address: "acme/shop", tokenFile: "-"}, want: "shop github.com acme/shop main [] [] [shop-github]"},
		"an App":                  {o: options{address: "acme/shop", app: app{42, 7, "f"}}, want: "shop github.com acme/shop main [] [] [shop-github]"},
		"a token and a name":      {o: options{address: "acme/shop", tokenFile: "f", name: "web", folder: "x"}, want: "web github.com acme/shop main [x] [] [web-github]"},
		"an address with a tree":  {o: options{address: "https://git.example.com/acme/shop/tree/dev"}, want: "shop git.example.com acme/shop dev [] [] []"},
		"a tree with a folder":    {o: options{address: "https://github.com/acme/shop/tree/dev/api", branch: "dev"}, want: "shop-api github.com acme/shop dev [api] [] []"},
		"the same host twice":     {o: options{address: "https://github.com/acme/shop", host: "www.github.com"}, want: "shop github.com acme/shop main [] [] []"},
		"a long name":             {o: options{address: "acme/" + strings.Repeat("a", 62) + ".b"}, want: strings.Repeat("a", 62) + " github.com acme/" + strings.Repeat("a", 62) + ".b main [] [] []"},
		"another host":            {o: options{address: "https://github.com/acme/shop", host: "git.example.com"}, refused: "--host git.example.com is another host than github.com of the address"},
		"a host with a scheme":    {o: options{address: "acme/shop", host: "https://git.example.com"}, refused: `--host: "https://git.example.com" is not the name of a host`},
		"a name that is none":     {o: options{address: "acme/shop", name: "Shop"}, refused: `--name "Shop": `},
		"a name that is too long": {o: options{address: "acme/shop", name: strings.Repeat("a", 64)}, refused: "it may have 63 at most"},
		"nothing for a name":      {o: options{address: "acme/-_-"}, refused: "give the link one with --name"},
		"no repository":           {o: options{address: "shop"}, refused: "does not name a repository"},
		"a tree that is not plain": {o: options{address: "https://github.com/acme/shop/tree/a/b"},
			refused: "say which branch it is with --branch"},
	} {
		t.Run(name, func(t *testing.T) {
			link, err := c.o.wanted()
			if c.refused != "" || err != nil {
				if err == nil || c.refused == "" || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("%v, want %s", err, c.refused)
				}
				return
			}
			got := strings.Join([]string{link.Name, link.Spec.Host, link.Spec.Repository, link.Spec.HomeBranch,
				"[" + link.Spec.FolderPath + "]", "[" + link.Spec.Env + "]", "[" + secretName(&link.Spec) + "]"}, " ")
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestDecide has a tenant with the link that is wanted, and its Secret, and changes what is there.
func TestDecide(t *testing.T) {
	now := metav1.Now()
	for name, c := range map[string]struct {
		change  func(o *observation)
		public  bool // no token is wanted
		want    plan
		refused string
	}{
		"nothing is there":             {change: func(o *observation) { o.link, o.secret = nil, nil }, want: plan{created, created}},
		"all is there":                 {change: func(*observation) {}, want: plan{unchanged, unchanged}},
		"the link is there":            {change: func(o *observation) { o.secret = nil }, want: plan{unchanged, created}},
		"the Secret is there":          {change: func(o *observation) { o.link = nil }, want: plan{created, unchanged}},
		"another token":                {change: func(o *observation) { o.secret.Data["token"] = []byte("old") }, want: plan{unchanged, rotated}},
		"an App instead of a token":    {change: func(o *observation) { o.secret.Data = map[string][]byte{"githubAppID": []byte("42")} }, want: plan{unchanged, rotated}},
		"an App beside the token":      {change: func(o *observation) { o.secret.Data["githubAppID"] = []byte("42") }, want: plan{unchanged, rotated}},
		"a webhook's secret, too":      {change: func(o *observation) { o.secret.Data["webhookSecret"] = []byte("x") }, want: plan{unchanged, unchanged}},
		"no token in the Secret":       {change: func(o *observation) { o.secret.Data = nil }, want: plan{unchanged, rotated}},
		"no token is wanted":           {change: func(o *observation) { o.link.Spec.SecretRef, o.secret = nil, nil }, public: true, want: plan{unchanged, ""}},
		"the same in other letters":    {change: func(o *observation) { o.link.Spec.Repository = "Acme/SHOP" }, want: plan{unchanged, unchanged}},
		"the same with slashes":        {change: func(o *observation) { o.link.Spec.FolderPath = "/api/" }, want: plan{unchanged, unchanged}},
		"what the verb does not set":   {change: func(o *observation) { o.link.Spec.Builder.Image = "example/builder:1" }, want: plan{unchanged, unchanged}},
		"no namespace":                 {change: func(o *observation) { o.namespace = nil }, refused: "there is no namespace d-shop: -n names the tenant. A cluster admin makes one with:\n  kubectl create namespace d-shop\n  kubectl label namespace d-shop katkit.dev/tenant=d-shop"},
		"no tenant":                    {change: func(o *observation) { o.namespace.Labels = nil }, refused: "a cluster admin makes it one with: kubectl label namespace d-shop katkit.dev/tenant=NAME"},
		"another repository":           {change: func(o *observation) { o.link.Spec.Repository = "acme/web" }, refused: "  repository: it has acme/web, you ask for acme/shop\nA link's repository and host cannot be changed"},
		"another host":                 {change: func(o *observation) { o.link.Spec.Host = "git.example.com" }, refused: "delete this one first: kubectl delete trl shop -n d-shop"},
		"another branch":               {change: func(o *observation) { o.link.Spec.HomeBranch = "dev" }, refused: "  homeBranch: it has dev, you ask for main\nAsk for what it has"},
		"another folder":               {change: func(o *observation) { o.link.Spec.FolderPath = "" }, refused: "  folderPath: it has none, you ask for api\n"},
		"another env":                  {change: func(o *observation) { o.link.Spec.Env = "it's\x1b[2J" }, refused: `  env: it has 'it'\''s', you ask for BETA` + "\n"},
		"another Secret in the link":   {change: func(o *observation) { o.link.Spec.SecretRef.Name = "github" }, refused: "  secretRef: it has github, you ask for shop-github\n"},
		"more than one difference":     {change: func(o *observation) { o.link.Spec.Host, o.link.Spec.Env = "git.example.com", "" }, refused: "host: it has git.example.com, you ask for github.com\n  env: it has none"},
		"a link that is being deleted": {change: func(o *observation) { o.link.DeletionTimestamp = &now }, refused: "TenantRepoLink d-shop/shop is being deleted"},
		"a Secret of somebody else":    {change: func(o *observation) { o.secret.Labels = nil }, refused: "the Secret d-shop/shop-github is there already, and this command did not make it. Nothing was changed. Use what it holds with --secret shop-github"},
		"a Secret that is being deleted": {change: func(o *observation) { o.secret.DeletionTimestamp = &now },
			refused: "the Secret d-shop/shop-github is being deleted"},
	} {
		t.Run(name, func(t *testing.T) {
			wanted, err := options{address: "acme/shop", name: "shop", folder: "api", env: "BETA", tokenFile: "-"}.wanted()
			if err != nil {
				t.Fatal(err)
			}
			wanted.Namespace = "d-shop"
			secret := newSecret(wanted, map[string][]byte{"token": []byte(github)})
			secret.Namespace = "d-shop"
			found := observation{
				namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "d-shop", Labels: map[string]string{v1alpha1.LabelTenant: "d-shop"}}},
				link:      wanted.DeepCopy(), secret: secret.DeepCopy(),
			}
			c.change(&found)
			if c.public {
				wanted.Spec.SecretRef, secret = nil, nil
			}
			got, err := decide(wanted, secret, found)
			switch {
			case c.refused == "" && (err != nil || got != c.want):
				t.Errorf("%+v, %v, want %+v", got, err, c.want)
			case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
				t.Errorf("%+v, %v, want %s", got, err, c.refused)
			}
		})
	}
}
