package contract

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of what one replica may leave for later phases.
const (
	// MaxOutputs is the largest number of outputs.
	MaxOutputs = 32
	// MaxOutputBytes bounds all outputs together, in bytes of the JSON object {"NAME":"value",…} that a report carries: 5
	// bytes for each output beside its name and value, 1 for the object, and one more for each quote, backslash and tab.
	//
	// A report has MaxReport bytes. The longest message takes half of it once its quotes are escaped, all that has a fixed
	// form less than 400 bytes; so this is what always fits. Outputs come with a success, whose message is short, so that
	// 2 KiB of the log's tail stay beside the most outputs.
	MaxOutputBytes = 1536
	// MaxOutputName is the longest name, in bytes.
	MaxOutputName = 256
)

// Output is a variable that ci.sh left in the file VarOutput for the phases that come later.
type Output struct {
	Name  string // CheckOutputName accepts it
	Value string // one line of valid UTF-8 without control characters but tab; "" is a value
}

// CheckOutputName returns an error that says what to do when ci.sh may not set a variable of later phases: it is no shell
// variable's name, longer than MaxOutputName, one that Katkit sets itself, or a ReservedVariable.
func CheckOutputName(name string) error {
	switch {
	case !VariableName(name):
		return errors.New("what stands before the = is not the name of a variable: use letters, digits and _, not a digit first, and no spaces")
	case len(name) > MaxOutputName:
		return fmt.Errorf("the name has %d bytes, at most %d are allowed: shorten it", len(name), MaxOutputName)
	case ReservedVariable(name) || OwnVariable(name):
		return fmt.Errorf("%s is a variable that Katkit sets itself or keeps from being set: choose another name", name)
	}
	return nil
}

// Check returns an error that says what to do when no report may carry the output. It does not repeat the value.
func (o Output) Check() error {
	if err := CheckOutputName(o.Name); err != nil {
		return err
	}
	switch {
	case !utf8.ValidString(o.Value):
		return fmt.Errorf("the value of %s is not valid UTF-8: encode it, with base64 for example", o.Name)
	case strings.Contains(o.Value, "\n") || plain(o.Value) != o.Value:
		return fmt.Errorf("the value of %s has a control character: encode it, with base64 for example", o.Name)
	}
	return nil
}

// JoinOutputs makes the outputs of a replica of a list in the order written: sorted by name, and of several with the same
// name the last. The error tells which limit they break, and what to do; each of them has passed Check.
func JoinOutputs(written []Output) ([]Output, error) {
	return outputsOf(valuesOf(written))
}

func outputsOf(values map[string]string) ([]Output, error) {
	if len(values) == 0 {
		return nil, nil
	}
	if len(values) > MaxOutputs {
		return nil, fmt.Errorf("there are %d outputs, at most %d are allowed: leave fewer", len(values), MaxOutputs)
	}
	if size := len(encode(values)); size > MaxOutputBytes {
		return nil, fmt.Errorf("the outputs have %d bytes in all, written as JSON, and at most %d are allowed: "+
			"leave less, such as the address of where the rest is kept", size, MaxOutputBytes)
	}
	outputs := make([]Output, 0, len(values))
	for _, name := range slices.Sorted(maps.Keys(values)) {
		outputs = append(outputs, Output{Name: name, Value: values[name]})
	}
	return outputs, nil
}

func valuesOf(outputs []Output) map[string]string {
	values := make(map[string]string, len(outputs))
	for _, o := range outputs {
		values[o.Name] = o.Value
	}
	return values
}

// outputs of a report that was read: those of a success alone count.
func (w wireReport) outputs() ([]Output, error) {
	if w.Reason != ReasonCompleted {
		return nil, nil
	}
	outputs, err := outputsOf(w.Outputs)
	for _, o := range outputs {
		if err := o.Check(); err != nil {
			return nil, err
		}
	}
	return outputs, err
}
