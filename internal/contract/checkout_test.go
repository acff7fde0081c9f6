package contract

import (
	"strings"
	"testing"
)

func TestParseCheckoutOptions(t *testing.T) {
	for name, c := range map[string]struct {
		set  map[string]string
		want CheckoutOptions
	}{
		"nothing is the commit alone": {nil, CheckoutOptions{Depth: 1}},
		"empty values":                {map[string]string{VarFetchDepth: "", VarSubmodules: "", VarLFS: ""}, CheckoutOptions{Depth: 1}},
		"what is not wanted":          {map[string]string{VarFetchDepth: "1", VarSubmodules: "false", VarLFS: "False"}, CheckoutOptions{Depth: 1}},
		"some history":                {map[string]string{VarFetchDepth: "50"}, CheckoutOptions{Depth: 50}},
		"the whole history":           {map[string]string{VarFetchDepth: "0"}, CheckoutOptions{}},
		"submodules":                  {map[string]string{VarSubmodules: "true"}, CheckoutOptions{Depth: 1, Submodules: true}},
		"submodules of submodules":    {map[string]string{VarSubmodules: "Recursive"}, CheckoutOptions{Depth: 1, Submodules: true, Recursive: true}},
		"large files":                 {map[string]string{VarLFS: "TRUE"}, CheckoutOptions{Depth: 1, LFS: true}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseCheckoutOptions(func(name string) string { return c.set[name] })
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v, want %+v", got, err, c.want)
			}
		})
	}
}

func TestParseCheckoutOptionsSaysWhatIsAllowed(t *testing.T) {
	for name, c := range map[string]struct{ variable, value, allowed string }{
		"a negative depth":      {VarFetchDepth, "-1", "0 for the whole history"},
		"a depth in words":      {VarFetchDepth, "all", "1 or more"},
		"a depth beyond git's":  {VarFetchDepth, "2147483647", "1 or more"},
		"an option for a depth": {VarFetchDepth, "1 --upload-pack=x", "1 or more"},
		"yes for true":          {VarSubmodules, "yes", "true, recursive or false"},
		"LFS for a folder":      {VarLFS, "assets", "true or false"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseCheckoutOptions(func(name string) string { return map[string]string{c.variable: c.value}[name] })
			for _, word := range []string{c.variable, c.value, c.allowed} {
				if err == nil || !strings.Contains(err.Error(), word) {
					t.Errorf("%v does not say %q", err, word)
				}
			}
		})
	}
}

func TestSettableVariable(t *testing.T) {
	for name, want := range map[string]bool{VarFetchDepth: true, VarSubmodules: true, VarLFS: true, VarFork: false, VarRun: false, "FOO": false} {
		if got := SettableVariable(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	for _, name := range CheckoutVariables() {
		if !ReservedVariable(name) || CheckOutputName(name) == nil {
			t.Errorf("%s has come too late for a checkout, but ci.sh may leave it as an output", name)
		}
	}
}
