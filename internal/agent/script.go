package agent

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"katkit.dev/katkit/internal/contract"
)

// scriptName is the file that an execution phase runs, by the manual's rule.
const scriptName = "ci.sh"

// maxShebang is how much of a first line Linux looks at (BINPRM_BUF_SIZE).
const maxShebang = 256

// script is a ci.sh that can be run.
type script struct {
	dir  string   // absolute folder to run in
	argv []string // the interpreter first, as an absolute path, the file last
}

// findScript looks for ci.sh in the folder path of the working tree and finds out how to run it. Nothing outside of the
// tree is read, wherever links may point. A failure comes as the report to give.
func findScript(source, codePath string) (script, *contract.Report) {
	folder := filepath.Clean(strings.Trim(codePath, "/"))
	if !filepath.IsLocal(folder) {
		return script{}, refuse(contract.ReasonInvalidRequest,
			"the folder path %.200q leads out of the repository: correct folderPath in the link", codePath)
	}
	root, err := os.OpenRoot(source)
	if err != nil {
		return script{}, refuse(contract.ReasonCIScriptInvalid, "open the checkout: %v", err)
	}
	defer root.Close()

	name := filepath.Join(folder, scriptName)
	info, err := root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return script{}, refuse(contract.ReasonNoCIScript, "%s", missing(root, folder))
	case err != nil:
		return script{}, refuse(contract.ReasonCIScriptInvalid,
			"%s cannot be opened: %v; it has to be a file of the repository, or a link to one inside of it", name, err)
	case !info.Mode().IsRegular():
		return script{}, refuse(contract.ReasonCIScriptInvalid, "%s is not a file but %s: make it a script", name, kind(info.Mode()))
	}
	// For scripts that call themselves; it is run through its interpreter, so that a file of another user's is fine too.
	if info.Mode()&0o111 == 0 {
		_ = root.Chmod(name, info.Mode().Perm()|0o755)
	}
	interpreter, refusal := readInterpreter(root, name)
	if refusal != nil {
		return script{}, refusal
	}
	dir := filepath.Join(source, folder)
	return script{dir: dir, argv: append(interpreter, filepath.Join(dir, scriptName))}, nil
}

func refuse(reason contract.Reason, format string, args ...any) *contract.Report {
	r := failure(contract.ClassConfig, reason, format, args...)
	return &r
}

// missing says which part of the path is not there.
func missing(root *os.Root, folder string) string {
	if _, err := root.Lstat(folder); err != nil {
		return fmt.Sprintf("the commit has no folder %s, so no %s: correct folderPath in the link, or add it",
			folder, filepath.Join(folder, scriptName))
	}
	if _, err := root.Lstat(filepath.Join(folder, scriptName)); err == nil {
		return fmt.Sprintf("%s is a link to a file that is not in the commit: add the file, or correct the link",
			filepath.Join(folder, scriptName))
	}
	return fmt.Sprintf("the commit has no %s: add it, or correct folderPath in the link", filepath.Join(folder, scriptName))
}

func kind(mode fs.FileMode) string {
	if mode.IsDir() {
		return "a folder"
	}
	return "of the kind " + mode.Type().String()
}

// readInterpreter returns the words before the script's name: those of its shebang, with at most one argument as in
// Linux, else the shell, since the original ran every ci.sh with one.
func readInterpreter(root *os.Root, name string) ([]string, *contract.Report) {
	first, err := readFirstLine(root, name)
	if err != nil {
		return nil, refuse(contract.ReasonCIScriptInvalid, "%s cannot be read: %v", name, err)
	}
	if strings.HasSuffix(first, "\r") {
		return nil, refuse(contract.ReasonCIScriptInvalid, "%s, line 1, ends as lines do on Windows (CRLF), which no shell"+
			" understands: save the file with LF and keep it so by a .gitattributes with `*.sh text eol=lf`", name)
	}
	words, ok := strings.CutPrefix(first, "#!")
	if !ok {
		return shell(name)
	}
	interpreter, argument := strings.Trim(words, " \t"), ""
	if i := strings.IndexAny(interpreter, " \t"); i >= 0 {
		interpreter, argument = interpreter[:i], strings.Trim(interpreter[i:], " \t")
	}
	if interpreter == "" {
		return shell(name)
	}
	if info, err := os.Stat(interpreter); !filepath.IsAbs(interpreter) || err != nil || info.Mode()&0o111 == 0 || info.IsDir() {
		return nil, refuse(contract.ReasonCIScriptInvalid,
			"%s, line 1, asks for %q, which the builder image does not have: use another image, or another interpreter by its absolute path",
			name, interpreter)
	}
	if argument != "" {
		return []string{interpreter, argument}, nil
	}
	return []string{interpreter}, nil
}

func readFirstLine(root *os.Root, name string) (string, error) {
	f, err := root.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	line, err := bufio.NewReader(io.LimitReader(f, maxShebang)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimSuffix(line, "\n"), nil
}

func shell(name string) ([]string, *contract.Report) {
	for _, s := range []string{"bash", "sh"} {
		if path, err := exec.LookPath(s); err == nil {
			return []string{path}, nil
		}
	}
	return nil, refuse(contract.ReasonCIScriptInvalid,
		"%s has no shebang, and the builder image has neither bash nor sh on its PATH: use another image", name)
}
