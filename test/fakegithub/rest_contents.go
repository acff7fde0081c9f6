package fakegithub

import (
	"encoding/base64"
	"errors"
	"net/url"
	"path"
	"strings"
)

// maxJSONContent is the size up to which the contents API puts a file into its JSON.
const maxJSONContent = 1 << 20

func getContents(c *call) reply {
	at := strings.Trim(c.PathValue("path"), "/")
	ref := c.URL.Query().Get("ref")
	if ref == "" {
		ref = c.state.DefaultBranch
	}
	found, err := c.repository.commit(ref)
	switch {
	case errors.Is(err, errMissing) && c.repository.empty():
		return notFound("This repository is empty.", c.doc)
	case errors.Is(err, errMissing):
		return notFound("No commit found for the ref "+ref, c.doc)
	case err != nil:
		return c.broken(err)
	}
	commit := parseCommit(found)
	entry, err := c.repository.entry(commit, at)
	if err != nil {
		return c.broken(err)
	}
	if entry.mode == modeTree {
		return c.directory(entry, at, ref)
	}
	if entry.mode == modeSubmodule {
		return ok(c.contentJSON("submodule", at, ref, entry.sha, 0))
	}
	blob, err := c.repository.objects.read(entry.sha)
	if err != nil {
		return c.broken(err)
	}
	if entry.mode == modeSymlink {
		target, leadsToFile := c.repository.symlinkTarget(commit, at, blob)
		if !leadsToFile {
			body := c.contentJSON("symlink", at, ref, blob.sha, len(blob.data))
			body["target"] = string(blob.data)
			return ok(body)
		}
		blob = target
	}
	return c.file(blob, at, ref)
}

func (c *call) file(blob object, at, ref string) reply {
	if raw := rawType(c.Request); raw != "" {
		// A file may be empty; nil would mean JSON.
		return reply{status: 200, raw: append([]byte{}, blob.data...), header: map[string]string{"Content-Type": raw + "; charset=utf-8"}}
	}
	body := c.contentJSON("file", at, ref, blob.sha, len(blob.data))
	body["encoding"], body["content"] = "none", ""
	if len(blob.data) <= maxJSONContent {
		body["encoding"], body["content"] = "base64", wrapped(base64.StdEncoding.EncodeToString(blob.data))
	}
	return ok(body)
}

func (c *call) directory(tree treeEntry, at, ref string) reply {
	entries, err := c.repository.tree(tree.sha)
	if err != nil {
		return c.broken(err)
	}
	list := []jsonObject{}
	for _, entry := range entries {
		kind, size := "file", 0
		switch entry.mode {
		case modeTree:
			kind = "dir"
		case modeSymlink:
			kind = "symlink"
		case modeSubmodule: // listed as a file, for compatibility
		default:
			blob, err := c.repository.objects.read(entry.sha)
			if err != nil {
				return c.broken(err)
			}
			size = len(blob.data)
		}
		list = append(list, c.contentJSON(kind, path.Join(at, entry.name), ref, entry.sha, size))
	}
	return ok(list)
}

func (c *call) contentJSON(kind, at, ref, sha string, size int) jsonObject {
	escaped := (&url.URL{Path: at}).EscapedPath()
	self := c.api() + "/contents/" + escaped + "?ref=" + url.QueryEscape(ref)
	object, page := c.api()+"/git/blobs/"+sha, c.page()+"/blob/"+ref+"/"+escaped
	var download any = c.page() + "/raw/" + ref + "/" + escaped
	if kind == "dir" {
		object, page, download = c.api()+"/git/trees/"+sha, c.page()+"/tree/"+ref+"/"+escaped, nil
	}
	return jsonObject{
		"type": kind, "size": size, "name": path.Base(at), "path": at, "sha": sha,
		"url": self, "git_url": object, "html_url": page, "download_url": download,
		"_links": jsonObject{"self": self, "git": object, "html": page},
	}
}

// wrapped breaks base64 into lines of 60 characters, as GitHub does.
func wrapped(text string) string {
	var lines strings.Builder
	for len(text) > 60 {
		lines.WriteString(text[:60] + "\n")
		text = text[60:]
	}
	if text != "" {
		lines.WriteString(text + "\n")
	}
	return lines.String()
}
