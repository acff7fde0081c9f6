package openapi

import (
	"errors"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
)

// formats are the formats of strings that the description uses.
func formats() map[string]openapi3.StringFormatValidator {
	return map[string]openapi3.StringFormatValidator{
		"uri":          openapi3.NewCallbackValidator(absolute),
		"uri-template": openapi3.NewCallbackValidator(func(text string) error { return absolute(strings.NewReplacer("{", "", "}", "").Replace(text)) }),
		"email":        openapi3.NewCallbackValidator(func(text string) error { _, err := mail.ParseAddress(text); return err }),
		"date-time":    openapi3.NewCallbackValidator(func(text string) error { _, err := time.Parse(time.RFC3339, text); return err }),
	}
}

func absolute(text string) error {
	if text == "" { // the default of addresses that are optional
		return nil
	}
	u, err := url.Parse(text)
	if err != nil {
		return err
	}
	if !u.IsAbs() {
		return errors.New("it is not an absolute URI")
	}
	return nil
}
