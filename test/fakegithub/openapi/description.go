package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

// EnvAssets names the folder that hack/octokit-assets.sh prints.
const EnvAssets = "OCTOKIT_ASSETS"

// description is GitHub's OpenAPI document. To read all of it takes kin-openapi 1.7 s, and 12 s under the race
// detector; so only an index of its parts is made at once, and each path is loaded, with what it refers to, when the
// first request asks for it.
type description struct {
	parts struct {
		OpenAPI    string                                `json:"openapi"`
		Info       json.RawMessage                       `json:"info"`
		Paths      map[string]json.RawMessage            `json:"paths"`
		Components map[string]map[string]json.RawMessage `json:"components"`
	}
	templates []*template

	mu    sync.Mutex
	paths map[string]*openapi3.T // each with one path
}

// github is the description in the folder that the environment names, read once.
var github = sync.OnceValues(read)

func read() (*description, error) {
	data, err := os.ReadFile(filepath.Join(os.Getenv(EnvAssets), "openapi", "generated", "api.github.com.json"))
	if err != nil {
		return nil, err
	}
	return parse(data)
}

func parse(data []byte) (*description, error) {
	d := &description{paths: map[string]*openapi3.T{}}
	if err := json.Unmarshal(data, &d.parts); err != nil {
		return nil, fmt.Errorf("OpenAPI description: %w", err)
	}
	for path, item := range d.parts.Paths {
		d.templates = append(d.templates, newTemplate(path, func() map[string]bool { return methods(item) }, func() map[string]bool { return d.multiSegment(item) }))
	}
	return d, nil
}

// path loads one path of the description.
func (d *description) path(template string) (*openapi3.T, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if doc, ok := d.paths[template]; ok {
		return doc, nil
	}
	item := d.parts.Paths[template]
	data, err := json.Marshal(map[string]any{
		"openapi": d.parts.OpenAPI, "info": d.parts.Info,
		"paths":      map[string]json.RawMessage{template: item},
		"components": d.referred(item),
	})
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		return nil, fmt.Errorf("OpenAPI description of %s: %w", template, err)
	}
	correct(doc)
	d.paths[template] = doc
	return doc, nil
}

var reference = regexp.MustCompile(`"#/components/([A-Za-z]+)/([^"]+)"`)

// referred are the components that a part refers to, and those that these refer to.
func (d *description) referred(part json.RawMessage) map[string]map[string]json.RawMessage {
	components := map[string]map[string]json.RawMessage{}
	for open := []json.RawMessage{part}; len(open) > 0; open = open[1:] {
		for _, match := range reference.FindAllSubmatch(open[0], -1) {
			kind, name := string(match[1]), string(match[2])
			if _, seen := components[kind][name]; seen {
				continue
			}
			component := d.parts.Components[kind][name]
			if kind == "examples" { // half of the document, and not needed
				component = json.RawMessage(`{"value": null}`)
			}
			if components[kind] == nil {
				components[kind] = map[string]json.RawMessage{}
			}
			components[kind][name] = component
			open = append(open, component)
		}
	}
	return components
}

// multiSegment are the parameters of a path that may hold slashes, by GitHub's extension x-multi-segment.
func (d *description) multiSegment(item json.RawMessage) map[string]bool {
	type parameter struct {
		Name  string `json:"name"`
		Multi bool   `json:"x-multi-segment"`
	}
	type operation struct {
		Parameters []parameter `json:"parameters"`
	}
	var found []parameter
	var operations map[string]operation
	if bytes.Contains(item, []byte("x-multi-segment")) && json.Unmarshal(item, &operations) == nil {
		for _, one := range operations {
			found = append(found, one.Parameters...)
		}
	}
	for _, part := range d.referred(item)["parameters"] {
		var one parameter
		if json.Unmarshal(part, &one) == nil {
			found = append(found, one)
		}
	}
	names := map[string]bool{}
	for _, one := range found {
		if one.Multi {
			names[one.Name] = true
		}
	}
	return names
}

// find returns the template of an escaped path that has the method, and the values of its parameters. known tells
// whether there is one with another method.
func (d *description) find(method, escaped string) (path string, parameters map[string]string, known bool) {
	segments := strings.Split(strings.TrimPrefix(escaped, "/"), "/")
	best := -1
	for _, t := range d.templates {
		values, ok := t.match(segments)
		if !ok {
			continue
		}
		known = true
		if t.literals > best && t.methods()[method] {
			best, path, parameters = t.literals, t.path, values
		}
	}
	return path, parameters, known
}

// methods are those of a path, in capitals.
func methods(item json.RawMessage) map[string]bool {
	var operations map[string]json.RawMessage
	names := map[string]bool{}
	if json.Unmarshal(item, &operations) == nil {
		for name := range operations {
			names[strings.ToUpper(name)] = true
		}
	}
	return names
}
