// Package servicedesc turns a repository's servicedescription.js and a commit
// into the image changes of a deployment phase.
//
// The phase controller calls Parse with the content of the file at the run's
// commit, Description.Changes with the commit's sha, and PickContainer for each
// workload it found; the plugin's verbs call the same. The format is the
// original product's, exported from a running service; docs/manual.md tells what of it counts.
//
// What always holds: the package is pure and total. Any content gives a
// Description, with all its problems as diagnostics, in bounded time and memory.
// A change asks for an image alone: what a description says of env and replicas
// is never used, since the live ones stand.
package servicedesc

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/tailscale/hujson"

	"katkit.dev/katkit/internal/domain/diagnostic"
	"katkit.dev/katkit/internal/domain/jsonfile"
)

// FilePath is where the file stands, below the link's folder path.
const FilePath = "servicedescription/servicedescription.js"

// Token is what stands for the commit's sha in a DockerImage.
const Token = "<hubtag>"

// Limits of what a file may ask for.
const (
	// MaxRoles is how many roles a description may have.
	MaxRoles = 64
	// MaxImageLength is the longest image with the sha filled in, in bytes.
	MaxImageLength = 512
)

// Description is a parsed servicedescription.js.
type Description struct {
	// Roles are in the file's order.
	Roles []Role
	path  string
	// partial is set where an error kept roles from being read.
	partial bool
}

// Role is one service of a description.
type Role struct {
	// Name is the workload's name. It is unique, and a valid name of a workload
	// where the role is Deployable.
	Name string
	// DockerImage is the image as the file spells it, which may hold Token.
	DockerImage string
	// Line and Column are where the role's name stands, as in diagnostic.Diagnostic.
	Line, Column int

	imageLine, imageColumn int
}

// Deployable reports whether a deployment changes the role's image: its
// DockerImage holds Token. Other roles are left alone.
func (r Role) Deployable() bool { return strings.Contains(r.DockerImage, Token) }

// Change is a new image for a role's workload.
type Change struct {
	// Role is the role's and the workload's name.
	Role string
	// Image is a valid image reference with a tag or digest, spelled as in the file,
	// of at most MaxImageLength.
	Image string
}

// Changes returns the image of each deployable role for the commit sha (40 hex
// digits), in the file's order. The list holds an error for each result that is
// no image reference with a tag or digest, and one when no role is deployable.
// Where it holds an error, nothing is to be deployed. What Parse reported is not
// reported again.
func (d Description) Changes(sha string) ([]Change, diagnostic.List) {
	var changes []Change
	var problems diagnostic.List
	deployable := false
	for _, role := range d.Roles {
		if !role.Deployable() {
			continue
		}
		deployable = true
		image := strings.ReplaceAll(role.DockerImage, Token, sha)
		if reason := checkImage(image); reason != "" {
			problems = append(problems, diagnostic.New(diagnostic.Error, d.path, role.imageLine, role.imageColumn, role.DockerImage,
				"DockerImage of role "+role.Name+" gives no image to deploy, "+reason))
			continue
		}
		changes = append(changes, Change{Role: role.Name, Image: image})
	}
	if !deployable && !d.partial {
		problems = append(problems, diagnostic.New(diagnostic.Error, d.path, 1, 1, "",
			"no role's DockerImage has "+Token+", so there is nothing to deploy: write "+Token+" in place of the tag of the image that the build pushes"))
	}
	return changes, problems
}

// checkImage says what is wrong with an image and what to do, or nothing.
func checkImage(image string) string {
	if len(image) > MaxImageLength {
		return fmt.Sprintf("it would have %d bytes, at most %d are allowed: use a shorter name", len(image), MaxImageLength)
	}
	named, err := reference.ParseNormalizedNamed(image)
	switch {
	case err != nil:
		return diagnostic.Printable(image, 120) + " is not an image reference (" + err.Error() + "): write it like registry/name:" + Token
	case reference.IsNameOnly(named):
		return "it would have neither tag nor digest: write " + Token + " in place of the tag, like registry/name:" + Token
	}
	return ""
}

// Problem is an error about a role that shows in the cluster only, such as that
// no workload has its name, at the role's place in the file. A role that the
// description does not have gives an error about the file as a whole.
func (d Description) Problem(role, message string) diagnostic.Diagnostic {
	for _, r := range d.Roles {
		if r.Name == role {
			return diagnostic.New(diagnostic.Error, d.path, r.Line, r.Column, r.Name, message)
		}
	}
	return diagnostic.New(diagnostic.Error, d.path, 0, 0, role, message)
}

// Parse reads a servicedescription.js and checks all that needs neither sha nor
// cluster. Where the list holds an error, nothing is to be deployed; Description
// then holds the roles that could be read. path is what diagnostics call the
// file, relative to the repository's root.
func Parse(path string, content []byte) (Description, diagnostic.List) {
	d := Description{path: path}
	doc, problems := jsonfile.Parse(path, content)
	if !problems.HasErrors() {
		r := doc.Reporter()
		d.Roles = readRoles(doc, r)
		problems = r.List()
	}
	d.partial = problems.HasErrors()
	return d, problems
}

func readRoles(doc *jsonfile.File, r *jsonfile.Reporter) []Role {
	top, ok := r.Fields(doc.Root, "the description", descriptionFields)
	if !ok {
		return nil
	}
	values, ok := r.Elements(top[fieldRoles], fieldRoles)
	switch {
	case !ok:
		return nil
	case len(values) == 0:
		r.MissingIn(doc.Root, "the description has no Roles: export the service again, or list it in Roles")
	case len(values) > MaxRoles:
		r.MissingIn(top[fieldRoles], "Roles has %d roles, at most %d are allowed: remove some", len(values), MaxRoles)
		return nil
	}
	var roles []Role
	seen := map[string]bool{}
	for _, v := range values {
		role, fields, ok := readRole(doc, r, v)
		if !ok {
			continue
		}
		if seen[role.Name] {
			r.Errorf(fields[fieldName], "another role has this Name: remove one of the two, or rename it")
		}
		seen[role.Name] = true
		roles = append(roles, role)
	}
	return roles
}

func readRole(doc *jsonfile.File, r *jsonfile.Reporter, v hujson.Value) (Role, jsonfile.Fields, bool) {
	fields, ok := r.Fields(v, "a role", roleFields)
	if !ok {
		return Role{}, nil, false
	}
	name, nameOK := r.Text(fields[fieldName], fieldName)
	image, _ := r.Text(fields[fieldDockerImage], fieldDockerImage)
	role := Role{Name: strings.TrimSpace(name), DockerImage: strings.TrimSpace(image)}
	for _, field := range liveFields {
		if value := fields[field]; !jsonfile.IsEmpty(value) {
			r.Warnf(value, "%s is ignored, the running service keeps its own: remove it", field)
		}
	}
	switch {
	case nameOK && role.Name == "":
		r.MissingIn(v, "this role has no Name: add the name of the workload that it upgrades")
		return Role{}, nil, false
	case !nameOK:
		return Role{}, nil, false
	case role.Deployable() && !isWorkloadName(role.Name):
		r.Errorf(fields[fieldName], "a workload cannot have this Name: use at most 253 lower-case letters, digits, '-' and '.', a letter or digit first and last")
	case !role.Deployable() && strings.Contains(strings.ToLower(role.DockerImage), "hubtag"):
		r.Warnf(fields[fieldDockerImage], "this is not the token %s, so the role is left alone: write it exactly so", Token)
	}
	role.Line, role.Column = doc.Position(fields[fieldName])
	role.imageLine, role.imageColumn = doc.Position(fields[fieldDockerImage])
	return role, fields, true
}

// isWorkloadName is Kubernetes' rule for the name of a Deployment, StatefulSet
// or DaemonSet: a DNS subdomain of RFC 1123.
func isWorkloadName(name string) bool {
	for label := range strings.SplitSeq(name, ".") {
		for i, c := range []byte(label) {
			alphanumeric := '0' <= c && c <= '9' || 'a' <= c && c <= 'z'
			if !alphanumeric && (c != '-' || i == 0 || i == len(label)-1) {
				return false
			}
		}
		if label == "" {
			return false
		}
	}
	return len(name) <= 253
}
