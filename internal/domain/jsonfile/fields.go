package jsonfile

import (
	"math"
	"strconv"
	"strings"

	"github.com/tailscale/hujson"
)

// Names tells the field names that an object may have. The key is the name as
// it is written, the value the field it stands for: usually the same, another
// one for an alias.
type Names map[string]string

// Fields is the members of an object by field name. Use Names' values as keys.
type Fields map[string]hujson.Value

// IsNull reports whether v is null or was never in the file.
func IsNull(v hujson.Value) bool { return v.Value == nil || v.Value.Kind() == 'n' }

// IsEmpty reports whether v says nothing: absent, null, "", [] or {}.
func IsEmpty(v hujson.Value) bool {
	switch value := v.Value.(type) {
	case *hujson.Array:
		return len(value.Elements) == 0
	case *hujson.Object:
		return len(value.Members) == 0
	case hujson.Literal:
		return value.Kind() == 'n' || strings.TrimSpace(value.String()) == ""
	}
	return true
}

// Elements returns the elements of a list; null and absent are the empty list.
// Anything else is reported, naming the field that v is the value of.
func (r *Reporter) Elements(v hujson.Value, field string) ([]hujson.Value, bool) {
	if IsNull(v) {
		return nil, true
	}
	array, ok := v.Value.(*hujson.Array)
	if !ok {
		r.Errorf(v, "%s must be a list: write it as [ … ]", field)
		return nil, false
	}
	return array.Elements, true
}

// Fields returns the members of the object v, which is called what in messages.
// A field written in another case is taken, with a warning, since the original
// product ignored case; of a field written twice the last one counts, with a
// warning; an unknown field is a warning. Not an object: an error, and false.
func (r *Reporter) Fields(v hujson.Value, what string, names Names) (Fields, bool) {
	object, ok := v.Value.(*hujson.Object)
	if !ok {
		r.Errorf(v, "%s must be an object: write it as { … }", what)
		return nil, false
	}
	fields := Fields{}
	for _, m := range object.Members {
		written := text(m.Name)
		field, known := names[written]
		if !known {
			if field, known = names.ignoringCase(written); known {
				r.Warnf(m.Name, "read as %s: write it so", field)
			}
		}
		if !known {
			r.Warnf(m.Name, "unknown field in %s, it is ignored: correct its name or remove it", what)
			continue
		}
		if _, twice := fields[field]; twice {
			r.Warnf(m.Name, "%s stands more than once in %s, the last one counts: remove the others", field, what)
		}
		fields[field] = m.Value
	}
	return fields, true
}

func (n Names) ignoringCase(written string) (string, bool) {
	for name, field := range n {
		if strings.EqualFold(name, written) {
			return field, true
		}
	}
	return "", false
}

// Text returns a string's value. A number or boolean is taken as it is written,
// as the original product did; null and absent are "".
func (r *Reporter) Text(v hujson.Value, field string) (string, bool) {
	if IsNull(v) {
		return "", true
	}
	if _, ok := v.Value.(hujson.Literal); !ok {
		r.Errorf(v, "%s must be a string: write it in double quotes", field)
		return "", false
	}
	return text(v), true
}

// Bool returns a boolean, which may be written as a string in any case or as 0
// or 1; absent, null and "" are what absent says.
func (r *Reporter) Bool(v hujson.Value, field string, absent bool) (value, ok bool) {
	if _, scalar := v.Value.(hujson.Literal); scalar || v.Value == nil {
		switch strings.ToLower(strings.TrimSpace(text(v))) {
		case "", "null":
			return absent, true
		case "true", "1":
			return true, true
		case "false", "0":
			return false, true
		}
	}
	r.Errorf(v, "%s must be true or false", field)
	return absent, false
}

// Int returns a whole number from low to high, which may be written as a
// string; absent, null and "" are what absent says.
func (r *Reporter) Int(v hujson.Value, field string, absent, low, high int32) (value int32, ok bool) {
	if _, scalar := v.Value.(hujson.Literal); scalar || v.Value == nil {
		written := strings.TrimSpace(text(v))
		if written == "" || IsNull(v) {
			return absent, true
		}
		n, err := strconv.ParseFloat(written, 64)
		if err == nil && n == math.Trunc(n) && float64(low) <= n && n <= float64(high) {
			return int32(n), true
		}
	}
	r.Errorf(v, "%s must be a whole number from %d to %d", field, low, high)
	return absent, false
}

// text is the decoded string, or the literal of another scalar, "" of anything else.
func text(v hujson.Value) string {
	if lit, ok := v.Value.(hujson.Literal); ok {
		return lit.String()
	}
	return ""
}
