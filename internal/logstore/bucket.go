package logstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"sync"

	"gocloud.dev/blob"
	"gocloud.dev/blob/fileblob"
	"gocloud.dev/gcerrors"

	"katkit.dev/katkit/internal/contract"
)

// Bucket is where the objects are.
type Bucket struct {
	*blob.Bucket
	// dir is the folder of a file:// bucket, "" of any other.
	dir string
	// address is its URL, for messages.
	address string
	// pageSize is how many objects are listed at once; 0: as many as all clouds list.
	pageSize int
	patience
}

// OpenBucket opens a bucket by its URL, as gocloud.dev/blob has them: file, s3, gs or azblob. The folder of file:///FOLDER is made when
// it is missing. Of the others nothing is asked yet: Reach does.
func OpenBucket(ctx context.Context, address string) (*Bucket, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("reading the bucket's URL: %w", err)
	}
	if u.Scheme != fileblob.Scheme {
		opened, err := blob.OpenBucket(ctx, address)
		if err != nil {
			return nil, fmt.Errorf("opening the bucket %s: %w: check --bucket, and the variables with its credentials", withoutSecret(u.Redacted()), discreet{err})
		}
		sendOnce(opened)
		return &Bucket{Bucket: opened, address: withoutSecret(u.Redacted()), patience: networkPatience}, nil
	}
	if u.Host != "" || u.RawQuery != "" || !path.IsAbs(u.Path) {
		return nil, fmt.Errorf("the bucket %s is no folder: write file:///FOLDER, with three slashes and nothing behind it", u.Redacted())
	}
	// Files get their place by a rename, which has to stay within one volume; of their attributes none is needed.
	opened, err := fileblob.OpenBucket(u.Path, &fileblob.Options{
		CreateDir: true, DirFileMode: 0o700, NoTempDir: true, Metadata: fileblob.MetadataDontWrite,
	})
	if err != nil {
		return nil, fmt.Errorf("opening the bucket: %w", err)
	}
	return &Bucket{Bucket: opened, dir: filepath.Clean(u.Path), address: u.Redacted(), patience: folderPatience}, nil
}

// buffers are for copying.
var buffers = sync.Pool{New: func() any { return new([64 << 10]byte) }}

// copyBytes copies through a buffer that is used again.
func copyBytes(to io.Writer, from io.Reader) (int64, error) {
	buffer, _ := buffers.Get().(*[64 << 10]byte)
	defer buffers.Put(buffer)
	return io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, buffer[:])
}

// maxObject is above the size of any object, in bytes: what one write brings, behind what is made longer by it. A bucket's client that
// has as much room sends an object in one request; in several, one of them may stay behind and cost for ever.
const maxObject = contract.MaxLogChunk + growBelow

// put stores what a reader has, up to its end, and returns how many bytes those are. If it fails the object is as it was, or has all
// of the bytes, at once or later. When it succeeds it will be there after a power cut, too.
func (b *Bucket) put(ctx context.Context, key string, from io.Reader) (int64, error) {
	ctx, cancel := b.attempt(ctx)
	defer cancel(nil)
	var file *os.File
	w, err := b.NewWriter(ctx, key, &blob.WriterOptions{
		ContentType: "text/plain; charset=utf-8",
		BufferSize:  maxObject, MaxConcurrency: 1,
		BeforeWrite: func(as func(any) bool) error {
			as(&file) // of a file:// bucket
			return nil
		},
	})
	if err != nil {
		return 0, err
	}
	n, err := copyBytes(w, from)
	if err == nil && file != nil {
		err = file.Sync()
	}
	if err != nil {
		cancel(nil) // so that closing it stores nothing
		_ = w.Close()
		return 0, because(ctx, err)
	}
	defer b.limit(cancel)() // all of it is here, and the bucket alone is waited for
	if err := w.Close(); err != nil {
		return 0, because(ctx, err)
	}
	return n, b.syncFolders(key)
}

// syncFolders makes an object's name last, in a file:// bucket.
func (b *Bucket) syncFolders(key string) error {
	if b.dir == "" {
		return nil
	}
	for folder := path.Dir(key); ; folder = path.Dir(folder) {
		if err := syncFolder(filepath.Join(b.dir, folder)); err != nil {
			return err
		}
		if folder == "." {
			return nil
		}
	}
}

func syncFolder(name string) error {
	folder, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// open returns what reads a part of an object, until it is closed.
func (b *Bucket) open(ctx context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	p := &part{patience: b.patience}
	var err error
	p.cancel, err = b.again(ctx, func(ctx context.Context) (err error) {
		p.ctx = ctx
		p.Reader, err = b.NewRangeReader(ctx, key, offset, length, nil)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading an object: %w", err)
	}
	return p, nil
}

// remove deletes an object, if it is there.
func (b *Bucket) remove(ctx context.Context, key string) error {
	done, err := b.again(ctx, func(ctx context.Context) error {
		if err := b.Delete(ctx, key); gcerrors.Code(err) != gcerrors.NotFound {
			return err
		}
		return nil
	})
	done(nil)
	if err != nil {
		return fmt.Errorf("deleting an object: %w", err)
	}
	return nil
}

// pageSize is how many objects any cloud lists at once.
const pageSize = 1000

// list yields what is below a prefix, in the order of the keys; with the delimiter "/" folders instead of what is in them. An error is
// the last that it yields. It holds one page at a time.
func (b *Bucket) list(ctx context.Context, prefix, delimiter string) iter.Seq2[*blob.ListObject, error] {
	return func(yield func(*blob.ListObject, error) bool) {
		for token := blob.FirstPageToken; len(token) > 0; {
			var page []*blob.ListObject
			var next []byte
			done, err := b.again(ctx, func(ctx context.Context) (err error) {
				page, next, err = b.ListPage(ctx, token, cmp.Or(b.pageSize, pageSize), &blob.ListOptions{Prefix: prefix, Delimiter: delimiter})
				return err
			})
			done(nil)
			if err != nil {
				yield(nil, fmt.Errorf("listing the bucket: %w", err))
				return
			}
			for _, o := range page {
				if !yield(o, nil) {
					return
				}
			}
			token = next
		}
	}
}

// objects yields the objects of a log or, of a podPrefix, of several, one log after the other.
func (b *Bucket) objects(ctx context.Context, prefix string) iter.Seq2[object, error] {
	return func(yield func(object, error) bool) {
		for listed, err := range b.list(ctx, prefix, "") {
			if err != nil {
				yield(object{}, err)
				return
			}
			if !yield(parse(listed.Key, listed.Size, listed.ModTime), nil) {
				return
			}
		}
	}
}
