package github

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	gogithub "github.com/google/go-github/v57/github"
)

// page is a page of a list as it is remembered: of GitHub's answer, in which anybody may have written much, what is shown.
type page[T any] struct {
	etag  string
	items []T
	more  bool
}

// listing is a page to be read.
type listing[A, T any] struct {
	repository string
	// path below repos/<repository>, with its query, and what it is in words.
	path, what string
	// maxBytes bounds GitHub's answer.
	maxBytes int64
	// item makes what is remembered of one of GitHub's, cost is about what that takes in memory, in bytes.
	item func(*A) (T, error)
	cost func(T) int64
}

// readPage reads a page. One that has not changed since it was last read costs no rate limit.
func readPage[A, T any](ctx context.Context, c *Client, list listing[A, T]) (page[T], error) {
	key := keyOf(c.account, "page", c.host.Name, list.repository, list.path)
	value, _ := c.cache.entries.get(key)
	known, remembered := value.(page[T])
	response, err := c.send(bounded(immutable(ctx), list.maxBytes), list.repository, list.path, func(request *http.Request) {
		if remembered {
			request.Header.Set("If-None-Match", known.etag)
		}
	})
	if answered, failed := errors.AsType[*gogithub.ErrorResponse](err); failed && remembered && statusOf(answered.Response) == http.StatusNotModified {
		return known, nil
	}
	if err != nil {
		return page[T]{}, c.failure(list.repository, list.what, err)
	}
	defer response.Body.Close()
	read := page[T]{etag: response.Header.Get("ETag"), more: response.NextPage != 0}
	cost := int64(entryOverhead)
	err = decodeEach(c, response.Body, list.repository, list.what, func(answer *A) (bool, error) {
		item, err := list.item(answer)
		read.items = append(read.items, item)
		cost += list.cost(item)
		return true, err
	})
	if err != nil {
		return page[T]{}, c.failure(list.repository, list.what, err)
	}
	if read.etag != "" {
		c.cache.entries.put(key, read, cost)
	}
	return read, nil
}

// decodeEach reads a list, of which it holds one item in memory at a time. It ends when do wants no more of them.
func decodeEach[A any](c *Client, body io.Reader, repository, what string, do func(*A) (more bool, err error)) error {
	decoder := json.NewDecoder(body)
	if start, err := decoder.Token(); err != nil || start != json.Delim('[') {
		return errors.Join(c.incomplete(repository, what), err)
	}
	for decoder.More() {
		var answer A
		if err := decoder.Decode(&answer); err != nil {
			return err
		}
		if more, err := do(&answer); err != nil || !more {
			return err
		}
	}
	_, err := decoder.Token() // an answer that was cut off has no end
	return err
}
