package fakegithub

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
)

// maxComparedFiles is how many files GitHub lists of a comparison.
const maxComparedFiles = 300

// fileStatuses are GitHub's words for those of git-diff(1).
var fileStatuses = map[byte]string{'A': "added", 'D': "removed", 'M': "modified", 'R': "renamed", 'C': "copied", 'T': "changed"}

// comparedFiles describes what head changed since its common ancestor with the base, without the changes themselves.
func (c *call) comparedFiles(ancestor, head string) ([]jsonObject, error) {
	out, err := c.server.git(c.repository.dir, nil, "diff", "--raw", "--numstat", "-z", "--no-abbrev", "--find-renames", ancestor, head)
	if err != nil {
		return nil, err
	}
	files, rest := c.rawFiles(strings.Split(strings.TrimSuffix(out, "\x00"), "\x00"), head)
	// The counts come after all files, in their order: "1\t2\tname", or "1\t2\t" with both names of a renamed one after it.
	for _, file := range files {
		if len(rest) == 0 {
			return nil, fmt.Errorf("git diff: no count of %s", file["filename"])
		}
		counts := strings.SplitN(rest[0], "\t", 3)
		if len(counts) != 3 {
			return nil, fmt.Errorf("git diff: unexpected count %q", rest[0])
		}
		rest = rest[1:]
		if counts[2] == "" {
			rest = rest[min(2, len(rest)):]
		}
		added, _ := strconv.Atoi(counts[0]) // "-" of a binary file
		removed, _ := strconv.Atoi(counts[1])
		file["additions"], file["deletions"], file["changes"] = added, removed, added+removed
	}
	return files[:min(len(files), maxComparedFiles)], nil
}

// rawFiles reads the records of files, two modes, two shas and a status, each with the file's name or two after it, and returns what follows.
func (c *call) rawFiles(records []string, head string) (files []jsonObject, rest []string) {
	files = []jsonObject{}
	for len(records) > 1 && strings.HasPrefix(records[0], ":") {
		fields := strings.Fields(records[0])
		status, sha, name := fileStatuses[fields[4][0]], fields[3], records[1]
		records = records[2:]
		file := jsonObject{"status": status}
		switch status {
		case "removed":
			sha = fields[2]
		case "renamed", "copied":
			file["previous_filename"] = name
			name, records = records[0], records[1:]
		}
		escaped := (&url.URL{Path: name}).EscapedPath()
		file["sha"], file["filename"] = sha, name
		file["blob_url"], file["raw_url"] = c.page()+"/blob/"+head+"/"+escaped, c.page()+"/raw/"+head+"/"+escaped
		file["contents_url"] = c.api() + "/contents/" + escaped + "?ref=" + head
		files = append(files, file)
	}
	return files, records
}
