// Package bucketserver runs servers of buckets for tests, as processes that can be killed and started again:
//
//	S3     versitygw, a gateway to a folder that is in use as such; it checks signatures
//	Azure  Azurite, Microsoft's emulator of Azure Storage; it checks signatures
//	GCS    fake-gcs-server, an emulator of Google Cloud Storage's JSON API; it lets everybody in
//
// hack/bucketserver-assets.sh installs them. A test whose server is not there is skipped.
package bucketserver

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"gocloud.dev/blob"
)

// VarAssets is the variable with the folder that hack/bucketserver-assets.sh prints.
const VarAssets = "BUCKETSERVER_ASSETS"

// Server is a server of buckets.
type Server struct {
	Kind
	// Address is where it listens, HOST:PORT; the same every time that it is started.
	Address string

	folder  string
	process *exec.Cmd
}

// Start starts a server without buckets, until the test ends, and sets the variables of its credentials. It skips the test where the
// server is not installed.
func (k Kind) Start(tb testing.TB) *Server {
	tb.Helper()
	assets := os.Getenv(VarAssets)
	if _, err := os.Stat(filepath.Join(assets, k.file)); assets == "" || err != nil {
		tb.Skipf("%s is not installed: %s=$(hack/bucketserver-assets.sh) has it, or tells why not", k.file, VarAssets)
	}
	listener, err := new(net.ListenConfig).Listen(tb.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	listener.Close()
	s := &Server{Kind: k, Address: listener.Addr().String(), folder: tb.TempDir()}
	for name, value := range k.Env(s.Address) {
		tb.Setenv(name, value)
	}
	s.Resume(tb)
	tb.Cleanup(func() { s.end(syscall.SIGKILL) })
	return s
}

// Resume starts the server again, with the buckets that it had.
func (s *Server) Resume(tb testing.TB) {
	tb.Helper()
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		tb.Fatal(err)
	}
	command := s.command(filepath.Join(os.Getenv(VarAssets), s.file), host, port, s.folder)
	s.process = exec.CommandContext(context.WithoutCancel(tb.Context()), command[0], command[1:]...)
	s.process.Env = append(os.Environ(), s.environment...)
	log, err := os.OpenFile(filepath.Join(tb.TempDir(), "log"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	defer log.Close()
	s.process.Stdout, s.process.Stderr = log, log
	if err := s.process.Start(); err != nil {
		tb.Fatal(err)
	}
	looks := time.NewTicker(10 * time.Millisecond)
	defer looks.Stop()
	for deadline := time.Now().Add(time.Minute); ; <-looks.C {
		connection, err := (&net.Dialer{}).DialContext(tb.Context(), "tcp", s.Address)
		if err == nil {
			connection.Close()
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(log.Name())
			tb.Fatalf("%s does not serve: %v: %s", s.file, err, said)
		}
	}
}

// Stop ends the server, as much at once as it may be without losing what it acknowledged.
func (s *Server) Stop() { s.end(s.signal) }

func (s *Server) end(signal syscall.Signal) {
	if s.process == nil {
		return
	}
	_ = s.process.Process.Signal(signal)
	_ = s.process.Wait()
	s.process = nil
}

// Bucket makes a bucket, and returns its URL.
func (s *Server) Bucket(tb testing.TB, name string) string {
	tb.Helper()
	address := s.URL(s.Address, name)
	bucket, err := blob.OpenBucket(tb.Context(), address)
	if err != nil {
		tb.Fatal(err)
	}
	defer bucket.Close()
	var amazon *s3.Client
	var azure *container.Client
	var google *storage.Client
	switch {
	case bucket.As(&amazon):
		_, err = amazon.CreateBucket(tb.Context(), &s3.CreateBucketInput{Bucket: aws.String(name)})
	case bucket.As(&azure):
		_, err = azure.Create(tb.Context(), nil)
	case bucket.As(&google):
		err = google.Bucket(name).Create(tb.Context(), "project", nil)
	default:
		err = fmt.Errorf("no client of %s makes buckets", s.Name)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return address
}
