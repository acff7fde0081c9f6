package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// headerProblems are the headers that GitHub asks for in prose: https://docs.github.com/rest/using-the-rest-api.
func headerProblems(r *http.Request) []string {
	var problems []string
	if r.Header.Get("User-Agent") == "" {
		problems = append(problems, "it has no User-Agent")
	}
	if r.Header.Get("X-GitHub-Api-Version") != "2022-11-28" {
		problems = append(problems, fmt.Sprintf("X-GitHub-Api-Version is %q", r.Header.Get("X-GitHub-Api-Version")))
	}
	if accept := r.Header.Get("Accept"); !strings.HasPrefix(accept, "application/vnd.github") && !strings.HasPrefix(accept, "application/json") {
		problems = append(problems, fmt.Sprintf("Accept is %q", accept))
	}
	return problems
}

// unknownToOperation are parameters and fields that the operation doesn't have.
func unknownToOperation(input *openapi3filter.RequestValidationInput, body []byte) []string {
	var problems []string
	for name := range input.QueryParams {
		inQuery := func(p *openapi3.ParameterRef) bool {
			return p.Value.In == openapi3.ParameterInQuery && p.Value.Name == name
		}
		if !slices.ContainsFunc(input.Route.Operation.Parameters, inQuery) && !slices.ContainsFunc(input.Route.PathItem.Parameters, inQuery) {
			problems = append(problems, fmt.Sprintf("no such query parameter: %q", name))
		}
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil || input.Route.Operation.RequestBody == nil {
		return problems
	}
	media := input.Route.Operation.RequestBody.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		return problems
	}
	known := map[string]bool{}
	fieldsOf(media.Schema, known)
	for name := range fields {
		if !known[name] {
			problems = append(problems, fmt.Sprintf("no such field of the body: %q", name))
		}
	}
	return problems
}

// fieldsOf collects the fields that an object may have, in any of its forms.
func fieldsOf(schema *openapi3.SchemaRef, into map[string]bool) {
	for name := range schema.Value.Properties {
		into[name] = true
	}
	for _, forms := range []openapi3.SchemaRefs{schema.Value.AllOf, schema.Value.AnyOf, schema.Value.OneOf} {
		for _, form := range forms {
			fieldsOf(form, into)
		}
	}
}
