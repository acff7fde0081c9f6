package validate

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"katkit.dev/katkit/internal/domain/diagnostic"
	"katkit.dev/katkit/internal/domain/jsonfile"
	"katkit.dev/katkit/internal/domain/run"
	"katkit.dev/katkit/internal/domain/servicedesc"
	"katkit.dev/katkit/internal/domain/workflow"
)

// scriptName is what an execution phase runs, in the link's folder.
const scriptName = "ci.sh"

// files are what a working copy has of the files that Katkit reads.
type files struct {
	fsys fs.FS
	// configs and descriptions have the folders of the two files; "" is the root.
	configs, descriptions map[string]bool
	// searched counts the folders that were looked into.
	searched int
	problems diagnostic.List
}

// find looks for the files in a whole working copy. Symbolic links to folders are not followed: Git stores the link.
func find(ctx context.Context, fsys fs.FS) (*files, error) {
	f := &files{fsys: fsys, configs: map[string]bool{}, descriptions: map[string]bool{}}
	err := fs.WalkDir(fsys, ".", func(name string, entry fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && name == ".":
			return err
		case err != nil:
			f.report(diagnostic.Warning, name, fmt.Sprintf("it could not be looked into (%v): make it readable", reason(err)))
			return fs.SkipDir
		case entry.IsDir() && name != "." && f.foreign(name):
			return fs.SkipDir
		case entry.IsDir():
			f.searched++
		default:
			f.note(name)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("looking for its files: %w", err)
	}
	return f, nil
}

// foreign tells folders that are no part of the repository, or no place for a service.
func (f *files) foreign(name string) bool {
	if base := path.Base(name); base[0] == '.' || base == "node_modules" {
		return true
	}
	_, err := fs.Stat(f.fsys, path.Join(name, ".git")) // of a submodule or another clone
	return err == nil
}

// note remembers one of the two files, and warns of a file that was meant to be one.
func (f *files) note(name string) {
	folder, base := folderOf(name), path.Base(name)
	switch description := path.Join(path.Base(path.Dir(name)), base); {
	case base == workflow.FileName:
		f.configs[folder] = true
	case description == servicedesc.FilePath:
		f.descriptions[folderOf(path.Dir(name))] = true
	case strings.EqualFold(base, workflow.FileName):
		f.report(diagnostic.Warning, name, "Katkit does not read this file: rename it to "+workflow.FileName)
	case strings.EqualFold(base, path.Base(servicedesc.FilePath)), strings.EqualFold(base, "servicdescription.js"): // the manual has both
		f.report(diagnostic.Warning, name, "Katkit does not read this file: move it to "+servicedesc.FilePath+" below the folder of the service")
	}
}

// folderOf is the folder of a file as in a link's folderPath: "" for the root.
func folderOf(name string) string {
	if dir := path.Dir(name); dir != "." {
		return dir
	}
	return ""
}

func (f *files) report(severity diagnostic.Severity, name, message string) {
	f.problems = append(f.problems, diagnostic.New(severity, name, 0, 0, "", message))
}

// config returns the path of the katkitconfig.js that serves a folder, and the folder that it is in.
func (f *files) config(folder string) (name, owner string, found bool) {
	for _, name := range run.ConfigPaths(folder) {
		if owner := folderOf(name); f.configs[owner] {
			return name, owner, true
		}
	}
	return "", "", false
}

// has tells whether a file is there, and is one.
func (f *files) has(name string) bool {
	info, err := fs.Stat(f.fsys, name)
	return err == nil && info.Mode().IsRegular()
}

// read returns the content of a file of at most jsonfile.MaxBytes. What is wrong otherwise is reported.
func (f *files) read(name string) ([]byte, bool) {
	info, err := fs.Stat(f.fsys, name)
	switch {
	case err != nil:
		f.report(diagnostic.Error, name, fmt.Sprintf("it could not be read (%v): it has to be a file of the repository, or a symbolic link to one inside of it", reason(err)))
		return nil, false
	case !info.Mode().IsRegular():
		f.report(diagnostic.Error, name, "it is not a file: put a file in its place")
		return nil, false
	case info.Size() > jsonfile.MaxBytes:
		f.report(diagnostic.Error, name, fmt.Sprintf("the file has %d bytes, at most %d are read: make it smaller", info.Size(), jsonfile.MaxBytes))
		return nil, false
	}
	content, err := f.readAll(name)
	if err != nil {
		f.report(diagnostic.Error, name, fmt.Sprintf("it could not be read: %v", reason(err)))
		return nil, false
	}
	return content, true
}

func (f *files) readAll(name string) ([]byte, error) {
	file, err := f.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, jsonfile.MaxBytes+1))
}

// reason is what went wrong, without the path, which the diagnostic has.
func reason(err error) error {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return at.Err
	}
	return err
}
