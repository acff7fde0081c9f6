package workflow

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tailscale/hujson"

	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/internal/domain/diagnostic"
)

// maxParamName is the longest name of a variable in BuildParams, in bytes.
const maxParamName = 255

// CheckParamName returns an error when a repository may not set the variable
// name: it is no shell variable's name, or reserved ([contract.ReservedVariable])
// and none of those that ask something of the checkout. One that Katkit sets
// itself is no error; its value does not count.
func CheckParamName(name string) error {
	if !contract.VariableName(name) || len(name) > maxParamName {
		return errors.New("not a variable's name: use letters, digits and _, not a digit first")
	}
	if contract.SettableVariable(name) {
		return nil
	}
	if prefix := contract.ReservedPrefix(name); prefix != "" {
		return fmt.Errorf("a repository may not set variables that begin with %s: choose another name", prefix)
	}
	if name == contract.VarPath {
		return errors.New("a repository may not set PATH: set it in ci.sh")
	}
	return nil
}

// params reads "A=B, C=D": variables separated by commas, spaces trimmed around
// names and values. A value may hold "=" but no comma. Empty segments are skipped.
func (p *reader) params(v hujson.Value) []Param {
	all, _ := p.Text(v, fieldBuildParams)
	var params []Param
	for start := 0; start <= len(all); {
		length := strings.IndexByte(all[start:], ',')
		if length < 0 {
			length = len(all) - start
		}
		segment := all[start : start+length]
		indent := len(segment) - len(strings.TrimLeft(segment, space))
		if trimmed := strings.Trim(segment, space); trimmed != "" {
			at := func(severity diagnostic.Severity, format string, args ...any) {
				p.Within(severity, v, start+indent, trimmed, format, args...)
			}
			params = addParam(params, trimmed, at)
		}
		if len(params) > MaxParams {
			p.Errorf(v, "BuildParams sets more than %d variables: set the rest in ci.sh", MaxParams)
			return nil
		}
		start += length + 1
	}
	return params
}

// addParam adds the variable that "NAME=value" sets, or says why it does not.
func addParam(params []Param, written string, at func(diagnostic.Severity, string, ...any)) []Param {
	name, value, assigned := strings.Cut(written, "=")
	name, value = strings.Trim(name, space), strings.Trim(value, space)
	switch err := CheckParamName(name); {
	case !assigned:
		at(diagnostic.Error, "BuildParams must be NAME=value pairs separated by commas, and this has no =: a value may not hold a comma")
		return params
	case err != nil:
		at(diagnostic.Error, "BuildParams: %s", err)
		return params
	case strings.ContainsRune(value, 0):
		at(diagnostic.Error, "BuildParams: a value may not hold a NUL character: remove it")
		return params
	case len(value) > MaxValueLength:
		at(diagnostic.Error, "BuildParams: a value may have %d bytes at most: shorten it, or keep it in a file of the repository", MaxValueLength)
		return params
	case checkoutVariable(name, value) != nil:
		at(diagnostic.Error, "BuildParams: %s", checkoutVariable(name, value))
		return params
	case contract.OwnVariable(name) && name != contract.VarPhase: // which BuildParams may set
		at(diagnostic.Warning, "BuildParams: Katkit sets %s itself, this value is ignored: remove it", name)
		return params
	}
	if i := slices.IndexFunc(params, func(p Param) bool { return p.Name == name }); i >= 0 {
		at(diagnostic.Warning, "BuildParams sets %s more than once, the last value counts: remove the others", name)
		params[i].Value = value
		return params
	}
	return append(params, Param{Name: name, Value: value})
}

// checkoutVariable returns an error when a variable asks the checkout for something that there is not.
func checkoutVariable(name, value string) error {
	_, err := contract.ParseCheckoutOptions(func(asked string) string {
		if asked == name {
			return value
		}
		return ""
	})
	return err
}
