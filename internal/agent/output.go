package agent

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"katkit.dev/katkit/internal/agent/mask"
	"katkit.dev/katkit/internal/contract"
)

// outputFile is the file in the shared folder that contract.VarOutput names.
const outputFile = "output"

// outputName is what messages call it.
const outputName = "$" + contract.VarOutput

// maxOutputFile bounds what is read of it, in bytes. It leaves room for comments, and for names that are set many times.
const maxOutputFile = 64 << 10

// makeOutput makes the empty file, which any user may write: ci.sh may become another one.
func makeOutput(control string) error {
	path := filepath.Join(control, outputFile)
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Chmod(0o666)
}

// takeOutputs completes the report of a ci.sh that ended well with its outputs, or says why they cannot be taken.
func takeOutputs(control string, secrets *mask.Masker, r contract.Report) contract.Report {
	content, err := readOutput(filepath.Join(control, outputFile))
	if err == nil {
		r.Outputs, err = parseOutputs(content)
	}
	if err == nil {
		err = keepSecret(r.Outputs, secrets)
	}
	if err == nil {
		return r
	}
	refused := refuse(contract.ReasonInvalidOutput, "ci.sh exited with code 0, but its outputs cannot be taken: %v", err)
	refused.StartTime, refused.FinishTime = r.StartTime, r.FinishTime
	return *refused
}

// keepSecret is the error of an output with the value of a Secret in it, which everyone could read who reads Phases.
func keepSecret(outputs []contract.Output, secrets *mask.Masker) error {
	for _, output := range outputs {
		if secrets.In(output.Name) || secrets.In(output.Value) {
			return fmt.Errorf("%s has the value of a Secret in it, and outputs can be read by everyone who may read Phases: "+
				"leave it out, since later phases get what is in Secrets themselves", output.Name)
		}
	}
	return nil
}

// readOutput returns what ci.sh left. It may have put anything in the file's place: nothing but a regular file is read, and
// nothing waited for. Without a file there are no outputs.
func readOutput(path string) ([]byte, error) {
	const advice = "leave the file that is there, and append to it with >>"
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, unix.ELOOP):
		return nil, errors.New(outputName + " is a symbolic link, which is not followed: " + advice)
	case err != nil:
		return nil, fmt.Errorf("%s cannot be opened (%w): %s", outputName, err, advice)
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a file but %s: %s", outputName, kind(info.Mode()), advice)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxOutputFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %w", outputName, err)
	case len(content) > maxOutputFile:
		return nil, fmt.Errorf("%s has more than %d bytes: leave less, such as the address of where the rest is kept", outputName, maxOutputFile)
	}
	return content, nil
}

// parseOutputs reads NAME=value lines; the value is all that comes after the first =. Empty lines and those that begin with
// # are skipped, CRLF is LF, and of a name that is set again the last value counts. An error tells the place, and
// repeats nothing of a value, which may be a secret.
func parseOutputs(content []byte) ([]contract.Output, error) {
	var written []contract.Output
	number := 0
	for line := range bytes.Lines(content) {
		number++
		text := strings.TrimSuffix(strings.TrimSuffix(string(line), "\n"), "\r")
		if strings.Trim(text, " \t") == "" || text[0] == '#' {
			continue
		}
		name, value, assigned := strings.Cut(text, "=")
		if !assigned {
			return nil, fmt.Errorf("%s, line %d: there is no =; write NAME=value, and a value of several lines as one, with base64 for example",
				outputName, number)
		}
		output := contract.Output{Name: name, Value: value}
		if err := output.Check(); err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", outputName, number, err)
		}
		written = append(written, output)
	}
	outputs, err := contract.JoinOutputs(written)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", outputName, err)
	}
	return outputs, nil
}
