package logstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
	_ "gocloud.dev/blob/azureblob" // azblob://
	_ "gocloud.dev/blob/gcsblob"   // gs://
	_ "gocloud.dev/blob/s3blob"    // s3://
	"gocloud.dev/gcerrors"
)

// sendOnce makes the client of S3 or GCS send each request once; onlyOnce is that for Azure's. They would send a write again that may still
// be on its way, and when that one comes at last, the object has grown meanwhile: it would be shorter than what was acknowledged.
func sendOnce(bucket *blob.Bucket) {
	var amazon *s3.Client
	if bucket.As(&amazon) {
		*amazon = *s3.New(amazon.Options(), func(o *s3.Options) {
			o.Retryer = aws.NopRetryer{}
			o.DisableLogOutputChecksumValidationSkipped = true // said of each part of an object that is read
		})
	}
	var google *storage.Client
	if bucket.As(&google) {
		google.SetRetry(storage.WithPolicy(storage.RetryNever))
	}
}

func onlyOnce(ctx context.Context) context.Context {
	return policy.WithRetryOptions(ctx, policy.RetryOptions{MaxRetries: -1})
}

// Reach asks whether the bucket is there, and may be listed. Its error tells what is wrong, where, and what to do about it.
func (b *Bucket) Reach(ctx context.Context) error {
	done, err := b.again(ctx, func(ctx context.Context) error {
		_, _, err := b.ListPage(ctx, blob.FirstPageToken, 1, nil)
		return err
	})
	done(nil)
	if err == nil {
		return nil
	}
	return fmt.Errorf("the bucket %s cannot be listed: %s (%w)", b.address, b.advice(err), err)
}

// signature is the secret in a URL that has a shared access signature of Azure's.
var signature = regexp.MustCompile(`(\bsig=)[^&\s"]+`)

// withoutSecret is a text about a bucket, without what is secret in it.
func withoutSecret(text string) string { return signature.ReplaceAllString(text, "${1}REDACTED") }

// discreet is an error that is told without what is secret in it.
type discreet struct{ error }

func (d discreet) Error() string { return withoutSecret(d.error.Error()) }
func (d discreet) Unwrap() error { return d.error }

// advice tells what an error of the bucket means, and what to do about it.
func (b *Bucket) advice(err error) string {
	if b.dir != "" {
		return "check that the volume is there, and belongs to the log store's user"
	}
	status := 0
	if answered, is := errors.AsType[interface {
		error
		HTTPStatusCode() int
	}](err); is { // S3's
		status = answered.HTTPStatusCode()
	}
	if answered, is := errors.AsType[*azcore.ResponseError](err); is {
		status = answered.StatusCode
	}
	code := gcerrors.Code(err)
	switch {
	case code == gcerrors.NotFound:
		return "there is none of that name; make it, or correct --bucket"
	case code == gcerrors.PermissionDenied, status == http.StatusUnauthorized, status == http.StatusForbidden:
		return "the credentials are refused; check the variables of the log store's container, its ServiceAccount's workload identity, and their rights"
	case errors.Is(err, errSilent):
		return "nothing answers; check the address in --bucket, and whether the log store may reach it"
	}
	return "check --bucket, credentials, and whether the log store may reach it"
}
