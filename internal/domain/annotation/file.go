package annotation

import (
	"math"
	"path"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxPath bounds a path, in bytes.
const maxPath = 1 << 10

// tree is where the files of the repository are, for who reads the log.
type tree struct {
	folder   string // of ci.sh, from the repository's root
	checkout string // absolute, with a slash in the end; "" when not known
}

func newTree(folder, checkout string) tree {
	t := tree{folder: strings.Trim(folder, "/")}
	if path.IsAbs(checkout) {
		t.checkout = strings.TrimSuffix(path.Clean(checkout), "/") + "/"
	}
	return t
}

// locate is the path of a file from the repository's root. inside is false when it is not in the repository, or no path to tell.
func (t tree) locate(name string) (file string, inside bool) {
	switch {
	case name == "":
		return "", false
	case !path.IsAbs(name):
		file = path.Join(t.folder, name)
	case t.checkout != "":
		below, found := strings.CutPrefix(path.Clean(name), t.checkout)
		if !found {
			return "", false
		}
		file = path.Clean(below)
	default:
		return "", false
	}
	outside := file == "." || file == ".." || strings.HasPrefix(file, "../")
	return file, !outside && len(file) <= maxPath && utf8.ValidString(file) && !strings.ContainsFunc(file, unfit)
}

// unfit tells what no path may have: what cannot be seen, and the other systems' slash.
func unfit(r rune) bool {
	return r == '\\' || r == utf8.RuneError || r != ' ' && unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}

// number reads a line or a column; 0 for what is none.
func number(digits string) int {
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return 0
	}
	return int(n)
}

// isSource tells whether a path ends like a source file's: by a well-known extension, or a well-known name. A name of several
// dots without a folder is a host's when its extension is a country's.
func isSource(file string) bool {
	name := path.Base(file)
	if sourceNames[name] {
		return true
	}
	extension := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
	if countries[extension] && !strings.Contains(file, "/") && strings.Count(name, ".") > 1 {
		return false
	}
	return sourceExtensions[extension] && len(name) > len(extension)+1
}

var (
	sourceNames = set(`BUILD CMakeLists.txt Containerfile Dockerfile GNUmakefile Gemfile Jenkinsfile Justfile Makefile Rakefile
		Vagrantfile WORKSPACE makefile justfile`)

	sourceExtensions = set(`adb ads asm astro awk bash bat bats bazel bzl c c++ cc cjs clj cljs cmake coffee cpp cr cs css cts cu cue cxx d
		dart dockerfile eex el elm erl ex exs f f03 f90 f95 fs fsx gleam go gql gradle graphql groovy h h++ haml hbs hcl heex hh hpp
		hrl hs htm html hxx inc inl ipp java jl js json json5 jsonc jsonnet jsx kt kts ksh less lhs libsonnet lisp lua m md mdx mjs mk ml mli mm
		mod mts nim nix php pl pm pp prisma proto ps1 py pyi pyx r rb rego rkt rs rst s sass sbt scala scm scss sh sol sql
		star sv svelte swift t tcl tf tfvars thrift toml tpl ts tsx txt v vb vhd vhdl vue work xml yaml yml zig zsh`)

	countries = set(`cc cr cu md mk ml mm pl pm py rs sh sv tf`)
)

func set(words string) map[string]bool {
	members := map[string]bool{}
	for word := range strings.FieldsSeq(words) {
		members[word] = true
	}
	return members
}
