package contract

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Variables that ask the checkout for more than the files of the commit. They may be set by class, link, BuildParams and run
// though they begin with KATKIT_, and reach the checkout container, too. "" is as good as none.
const (
	VarFetchDepth = "KATKIT_FETCH_DEPTH" // how many commits: 1, which is the default, or more; 0: the whole history, and the tags
	VarSubmodules = "KATKIT_SUBMODULES"  // true: those of the repository, recursive: those of its submodules as well; false
	VarLFS        = "KATKIT_LFS"         // true: files that Git LFS keeps in place of their pointers; false
)

// VarFork tells the checkout container, by "true", that a stranger may have written the commit, so that nothing but the repository
// itself is read with the token.
const VarFork = "KATKIT_FORK"

// CheckoutVariables are those that ParseCheckoutOptions reads.
func CheckoutVariables() []string { return []string{VarFetchDepth, VarSubmodules, VarLFS} }

// SettableVariable tells whether a repository may set the variable though its name is reserved.
func SettableVariable(name string) bool { return slices.Contains(CheckoutVariables(), name) }

// CheckoutOptions are what a checkout brings beside the files of the commit.
type CheckoutOptions struct {
	Depth      int  // number of commits, from 1; 0: the whole history, and the tags
	Submodules bool // of the repository
	Recursive  bool // and of its submodules
	LFS        bool // files that Git LFS keeps
}

// maxFetchDepth is what git takes for infinity.
const maxFetchDepth = 1<<31 - 2

// ParseCheckoutOptions reads the CheckoutVariables from lookup, which returns "" for one that is not set. An error names the
// variable, its value, and what is allowed.
func ParseCheckoutOptions(lookup func(name string) string) (CheckoutOptions, error) {
	options := CheckoutOptions{Depth: 1}
	if value := lookup(VarFetchDepth); value != "" {
		depth, err := strconv.ParseUint(value, 10, 31)
		if err != nil || depth > maxFetchDepth {
			return options, notAllowed(VarFetchDepth, value, "a number of commits, 1 or more, or 0 for the whole history")
		}
		options.Depth = int(depth)
	}
	switch value := lookup(VarSubmodules); strings.ToLower(value) {
	case "", "false":
	case "true":
		options.Submodules = true
	case "recursive":
		options.Submodules, options.Recursive = true, true
	default:
		return options, notAllowed(VarSubmodules, value, "true, recursive or false")
	}
	switch value := lookup(VarLFS); strings.ToLower(value) {
	case "", "false":
	case "true":
		options.LFS = true
	default:
		return options, notAllowed(VarLFS, value, "true or false")
	}
	return options, nil
}

func notAllowed(name, value, allowed string) error {
	return fmt.Errorf("variable %s is %.60q: it has to be %s; correct it where it is set: in katkitconfig.js, the link, the run or the BuilderClass",
		name, value, allowed)
}
