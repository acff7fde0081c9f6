package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sync/errgroup"

	"katkit.dev/katkit/internal/contract"
	"katkit.dev/katkit/test/bucketserver"
)

// BenchmarkStore writes logs of a GiB to the real binary and reads them back, over loopback, to a folder and to buckets of servers on the
// same machine, and tells the most memory that was resident. `make bench-logstore` runs it.
func BenchmarkStore(b *testing.B) {
	b.Run("folder", func(b *testing.B) {
		measure(b, func(b *testing.B) string {
			b.Helper()
			return "file://" + b.TempDir()
		})
	})
	for _, kind := range bucketserver.Kinds {
		b.Run(kind.Name, func(b *testing.B) {
			server := kind.Start(b)
			buckets := 0
			measure(b, func(b *testing.B) string {
				b.Helper()
				buckets++
				return server.Bucket(b, fmt.Sprintf("logs%d", buckets))
			})
		})
	}
}

// measure is done with an empty bucket each time.
func measure(b *testing.B, empty func(*testing.B) string) {
	b.Helper()
	whole := b // whose processes outlive a part's
	const size, chunk = 1 << 30, 4 << 20
	content := letters(chunk)
	s := newStore(whole, empty(whole))
	s.start(whole)
	write := func(b *testing.B) {
		b.Helper()
		for offset := int64(0); offset < size; {
			state, err := s.put(b.Context(), offset, false, bytes.NewReader(content))
			if err != nil {
				b.Fatal(err)
			}
			offset = state.Bytes
		}
	}
	read := func(b *testing.B) {
		b.Helper()
		request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+s.address+contract.ReadLogPath(namespace, phase, pod), nil)
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+tokenOf(namespace, pod))
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		defer response.Body.Close()
		if n, err := io.Copy(io.Discard, response.Body); n != size || err != nil {
			b.Fatal(n, err)
		}
	}
	end := func(b *testing.B) {
		b.Helper()
		if err := s.end(syscall.SIGTERM); err != nil {
			b.Error(err)
		}
	}
	whole.Run("write", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			b.StopTimer()
			end(b)
			s.bucket = empty(whole)
			s.start(whole)
			b.StartTimer()
			write(b)
		}
		b.ReportMetric(float64(s.peak(b)), "MiB-resident")
	})
	whole.Run("read", func(b *testing.B) {
		b.SetBytes(size)
		for b.Loop() {
			read(b)
		}
		b.ReportMetric(float64(s.peak(b)), "MiB-resident")
	})
	whole.Run("write-64-at-once", func(b *testing.B) {
		b.SetBytes(64 * contract.MaxLogChunk)
		large := letters(contract.MaxLogChunk)
		var offset int64
		for b.Loop() {
			var writers errgroup.Group
			for i := range 64 {
				writers.Go(func() error {
					tenant := fmt.Sprintf("%s-%d", namespace, i%8) // which has an eighth of the places
					_, err := s.putTo(b.Context(), tenant, fmt.Sprintf("%s%d", pod, i), offset, false, bytes.NewReader(large))
					return err
				})
			}
			if err := writers.Wait(); err != nil {
				b.Fatal(err)
			}
			offset += contract.MaxLogChunk
		}
		b.ReportMetric(float64(s.peak(b)), "MiB-resident")
	})
	end(whole)
}

// peak is the most memory of the store's that was resident, in MiB.
func (s *store) peak(b *testing.B) int {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Process.Pid))
	if err != nil {
		b.Skip("the kernel does not tell:", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return kib >> 10
}
