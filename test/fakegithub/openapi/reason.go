package openapi

import (
	"errors"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// reasons are the differences that an error of the validator is made of, one line each, without the schema and the
// value that its own text repeats.
func reasons(err error) []string {
	var (
		request  *openapi3filter.RequestError
		response *openapi3filter.ResponseError
		many     openapi3.MultiError
		schema   *openapi3.SchemaError
	)
	switch {
	case errors.As(err, &many):
		var all []string
		for _, one := range many {
			all = append(all, reasons(one)...)
		}
		return all
	case errors.As(err, &schema):
		return schemaReasons(schema)
	case errors.As(err, &request):
		return []string{firstLine(request.Error())}
	case errors.As(err, &response):
		return []string{firstLine(response.Error())}
	}
	return []string{firstLine(err.Error())}
}

// schemaReasons follow what is wrong in the forms that a value may have.
func schemaReasons(err *openapi3.SchemaError) []string {
	at := "/" + strings.Join(err.JSONPointer(), "/")
	if err.Origin == nil {
		return []string{at + ": " + firstLine(err.Reason)}
	}
	var all []string
	for _, reason := range reasons(err.Origin) {
		all = append(all, at+": "+reason)
	}
	return all
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return line
}
