package main

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"katkit.dev/katkit/internal/contract"
)

// BenchmarkStore writes logs of a GiB to the real binary and reads them back, over loopback to a folder, and tells the most memory that
// was resident. `make bench-logstore` runs it.
func BenchmarkStore(b *testing.B) {
	const size, chunk = 1 << 30, 4 << 20
	s := newStore(b)
	s.start(b)
	content := make([]byte, chunk)
	for i := range content {
		content[i] = "abcdefghijklmnopqrstuvwxyz0123456789 \n"[rand.IntN(38)]
	}
	write := func(b *testing.B) {
		b.Helper()
		state, err := s.put(b.Context(), 0, false, nil)
		for offset := state.Bytes; offset < size && err == nil; offset = state.Bytes {
			state, err = s.put(b.Context(), offset, false, bytes.NewReader(content))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	read := func(b *testing.B) {
		b.Helper()
		request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, "http://"+s.address+contract.ReadLogPath(namespace, phase, pod), nil)
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		defer response.Body.Close()
		if n, err := io.Copy(io.Discard, response.Body); n != size || err != nil {
			b.Fatal(n, err)
		}
	}
	for _, part := range []struct {
		name string
		do   func(*testing.B)
	}{{"write", write}, {"read", read}} {
		b.Run(part.name, func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				if part.name == "write" {
					b.StopTimer()
					if err := os.RemoveAll(s.folder); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
				}
				part.do(b)
			}
			b.ReportMetric(float64(s.peak(b)), "MiB-resident")
		})
	}
	if err := s.end(syscall.SIGTERM); err != nil {
		b.Error(err)
	}
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
