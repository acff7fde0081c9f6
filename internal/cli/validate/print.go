package validate

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"katkit.dev/katkit/internal/domain/diagnostic"
	"katkit.dev/katkit/internal/domain/workflow"
)

// maxCell is the longest value of a variable that the table shows, in characters.
const maxCell = 40

// start tells somebody whose repository has neither file how to begin.
const start = `
How to start:
  1. kubectl katkit export deployment/NAME -n TENANT -f servicedescription/servicedescription.js
  2. write katkitconfig.js:
     [{"EnvName": "default", "WorkFlow": [
       {"Name": "BUILD",  "PhaseType": 4, "Order": 0},
       {"Name": "DEPLOY", "PhaseType": 1, "Order": 1}
     ]}]
  3. add ci.sh, which builds the image and pushes it with the tag $GIT_SHA
`

// JSON writes the report for programs. dir is what was checked.
func (r Report) JSON(w io.Writer, dir string) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(struct {
		Dir string `json:"dir"`
		Report
	}{dir, r})
}

// Text writes the report for people: problems first, with paths that lead there from the current folder; dir is what
// was checked.
func (r Report) Text(w io.Writer, dir string) error {
	var b strings.Builder
	for _, d := range r.Diagnostics {
		d.Path = filepath.Join(dir, filepath.FromSlash(d.Path))
		fmt.Fprintln(&b, d)
	}
	for _, folder := range r.Folders {
		if b.Len() > 0 {
			fmt.Fprintln(&b)
		}
		folder.text(&b)
	}
	if len(r.Folders) == 0 {
		b.WriteString(start)
	}
	fmt.Fprintf(&b, "\n%s, %s\n", count(len(r.Diagnostics.Errors()), "error"), count(len(r.Diagnostics.Warnings()), "warning"))
	_, err := io.WriteString(w, b.String())
	return err
}

func (f *Folder) text(b *strings.Builder) {
	title := "Root of the repository"
	if f.Path != "" {
		title = "Folder " + diagnostic.Printable(f.Path, 256)
	}
	fmt.Fprintln(b, title)
	if f.Config != "" {
		fmt.Fprintf(b, "Phases (%s):\n", diagnostic.Printable(f.Config, 256))
		f.phases(b)
	}
	if len(f.Services) > 0 {
		fmt.Fprintf(b, "Services (%s):\n", diagnostic.Printable(f.Description, 256))
		table := newTable(b)
		row(table, "NAME", "IMAGE")
		for _, s := range f.Services {
			row(table, s.Role, s.Image)
		}
		table.Flush()
	}
}

func (f *Folder) phases(b *strings.Builder) {
	table := newTable(b)
	row(table, "ENV", "ORDER", "NAME", "TYPE", "PODS", "FLEET", "IMAGE", "STARTS", "VARIABLES")
	for _, env := range f.Envs {
		if !env.Valid {
			row(table, env.Name, "-", "(see the errors)", "-", "-", "-", "-", "-", "-")
			continue
		}
		for _, p := range env.Phases {
			row(table, cells(env, p)...)
		}
	}
	table.Flush()
}

func cells(env Env, p Phase) []string {
	pods, fleet, image, starts := "-", "-", "-", "automatically"
	if p.Type == string(workflow.Execution) {
		pods, fleet, image = fmt.Sprint(p.Parallelism), "Builder", p.Image
		if env.LocalFleet {
			fleet = "Tenant"
		}
		if p.AllocationTag != "" {
			fleet += " (" + p.AllocationTag + ")"
		}
		if image == "" {
			image = "(default)"
		}
	}
	if !p.Automated {
		starts = "when approved"
	}
	params := make([]string, 0, len(p.Params))
	for _, param := range p.Params {
		params = append(params, param.Name+"="+diagnostic.Printable(param.Value, maxCell))
	}
	if len(params) == 0 {
		params = []string{"-"}
	}
	return []string{env.Name, fmt.Sprint(p.Order), p.Name, p.Type, pods, fleet, image, starts, strings.Join(params, ", ")}
}

func newTable(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 8, 2, ' ', 0) }

// row writes one line. Cells come from strangers' files: nothing of them can break the table or the terminal.
func row(table *tabwriter.Writer, cells ...string) {
	for i := range cells {
		cells[i] = diagnostic.Printable(cells[i], 512)
	}
	fmt.Fprintln(table, "  "+strings.Join(cells, "\t"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
