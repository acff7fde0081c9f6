package github

import (
	"context"
	"net/url"
	"slices"
)

// maxChangedFiles is how many files GitHub lists of a comparison at most.
const maxChangedFiles = 300

// changedFiles is a comparison as it is remembered.
type changedFiles struct {
	files    []string
	complete bool
}

// ChangedFiles returns the names of the files that a commit, head, changes since it parted from base: paths from the
// repository's root, of a renamed file both names. Head is a full sha; base is one, or a branch without "refs/heads/".
// Complete is false when there may be more files: GitHub lists 300 of a comparison at most, and an answer that the changes
// themselves make larger than 4 MiB is not read, which lists none. What two shas differ in never changes, and is not asked
// for again while the cache holds it. When the repository has not both, or they have no common commit, the error is of kind
// NotFound.
func (c *Client) ChangedFiles(ctx context.Context, repository, base, head string) (files []string, complete bool, err error) {
	what := "the comparison of " + oneLine(base, maxNameLength) + " and " + oneLine(head, maxNameLength)
	if !validBranch(base) || !validSHA(head) {
		return nil, false, c.malformed(repository, what, "a branch, or a full sha of 40 hex digits in lower case, is compared with such a sha")
	}
	key := keyOf(c.account, "changes", c.host.Name, repository, base, head)
	if known, ok := c.cache.entries.get(key); ok {
		changes := known.(changedFiles)
		return slices.Clone(changes.files), changes.complete, nil
	}
	changes, err := c.compareFiles(ctx, repository, what, url.PathEscape(base)+"..."+head)
	if err != nil {
		return nil, false, err
	}
	if validSHA(base) { // a branch moves
		c.cache.entries.put(key, changedFiles{files: slices.Clone(changes.files), complete: changes.complete}, changes.cost())
	}
	return changes.files, changes.complete, nil
}

func (c *Client) compareFiles(ctx context.Context, repository, what, basehead string) (changedFiles, error) {
	var answer struct {
		Files *[]struct {
			Filename         string `json:"filename"`
			PreviousFilename string `json:"previous_filename"`
			Status           string `json:"status"`
		} `json:"files"`
	}
	// The files are on the first page, however few commits are on it. The answer holds their changes, too: it is not kept.
	err := c.get(immutable(ctx), repository, what, "/compare/"+basehead+"?per_page=1&page=1", &answer)
	if KindOf(err) == KindTooLarge {
		return changedFiles{}, nil
	}
	if err != nil {
		return changedFiles{}, err
	}
	if answer.Files == nil {
		return changedFiles{}, c.incomplete(repository, what)
	}
	changes := changedFiles{files: []string{}, complete: len(*answer.Files) < maxChangedFiles}
	for _, file := range (*answer.Files)[:min(len(*answer.Files), maxChangedFiles)] {
		if file.Filename == "" {
			return changedFiles{}, c.incomplete(repository, what)
		}
		changes.files = append(changes.files, file.Filename)
		if file.Status == "renamed" {
			if file.PreviousFilename == "" {
				return changedFiles{}, c.incomplete(repository, what)
			}
			changes.files = append(changes.files, file.PreviousFilename)
		}
	}
	return changes, nil
}

// cost is about what a comparison takes in memory, in bytes.
func (f changedFiles) cost() int64 {
	cost := int64(entryOverhead)
	for _, name := range f.files {
		cost += int64(len(name)) + stringOverhead
	}
	return cost
}
