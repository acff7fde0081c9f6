package openapi

import "github.com/getkin/kin-openapi/openapi3"

// correct mends the description where GitHub's documentation and its answers contradict it: the head of a pull request
// whose fork was deleted has neither repository nor owner, as its list of a pull request's fields in webhooks says.
func correct(doc *openapi3.T) {
	if doc.Components == nil {
		return
	}
	for _, name := range []string{"pull-request", "pull-request-simple"} {
		pull, ok := doc.Components.Schemas[name]
		if !ok {
			continue
		}
		head := pull.Value.Properties["head"].Value
		for _, field := range []string{"repo", "user"} {
			nullable := *head.Properties[field].Value
			nullable.Nullable = true
			head.Properties[field] = &openapi3.SchemaRef{Value: &nullable}
		}
	}
}
