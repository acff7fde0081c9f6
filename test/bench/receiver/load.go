package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// measure loads the receiver, and prints what came of it.
func measure(ctx context.Context, p *process, s settings, floods int) error {
	if err := p.resetPeak(); err != nil {
		return fmt.Errorf("forgetting the peak of memory: %w", err)
	}
	before, err := p.counters()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.lasting+10*time.Second)
	defer cancel()
	flooding, stopFlooding := context.WithCancel(ctx)
	var flood sync.WaitGroup
	var flooded atomic.Int64
	for range floods {
		flood.Go(func() { keepFlooding(flooding, p.webhook, &flooded) })
	}
	memory := watch(ctx, p, s.lasting)
	answers := send(ctx, p, s)
	stopFlooding()
	flood.Wait()
	after, err := p.counters()
	if err != nil {
		return err
	}
	report(answers, s)
	for line := range memory {
		fmt.Println("  " + line)
	}
	_, most := p.memory()
	fmt.Printf("  memory: %d MiB resident at most\n", most)
	fmt.Printf("  CPU: %.2f cores\n", (after["cpu"]-before["cpu"])/s.lasting.Seconds())
	if floods > 0 {
		fmt.Printf("  flood: %.1f GiB sent\n", float64(flooded.Load())/(1<<30))
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if name != "heap" && name != "cpu" && after[name] > before[name] {
			fmt.Printf("  %s: %.0f\n", name, after[name]-before[name])
		}
	}
	return nil
}

// watch tells of memory, now and then, until the time is over.
func watch(ctx context.Context, p *process, lasting time.Duration) <-chan string {
	const samples = 4
	lines := make(chan string, samples)
	go func() {
		defer close(lines)
		for i := range samples {
			select {
			case <-ctx.Done():
				return
			case <-time.After(lasting / samples):
			}
			now, _ := p.memory()
			counters, err := p.counters()
			if err != nil {
				return
			}
			at := lasting / samples * time.Duration(i+1)
			lines <- fmt.Sprintf("after %s: %d MiB resident, heap %.0f MiB", at, now, counters["heap"])
		}
	}()
	return lines
}

// answers are what a load got.
type answers struct {
	mu        sync.Mutex
	latencies []time.Duration
	statuses  map[string]int
}

func (a *answers) add(status string, latency time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.statuses[status]++
	a.latencies = append(a.latencies, latency)
}

// send makes deliveries at the rate, whatever comes back, and waits for all answers.
func send(ctx context.Context, p *process, s settings) *answers {
	a := &answers{statuses: map[string]int{}}
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 256}, Timeout: 10 * time.Second}
	defer web.CloseIdleConnections()
	padding := bytes.Repeat([]byte("x"), s.size)
	begin := time.Now()
	var sending sync.WaitGroup
	for n := range int(s.lasting.Seconds() * float64(s.rate)) {
		due := begin.Add(time.Duration(n) * time.Second / time.Duration(s.rate))
		<-time.After(time.Until(due))
		sending.Go(func() {
			status := deliver(ctx, web, p.webhook, n, s, padding)
			a.add(status, time.Since(due))
		})
	}
	sending.Wait()
	return a
}

// deliver sends the n-th delivery: every second one is forged.
func deliver(ctx context.Context, web *http.Client, url string, n int, s settings, padding []byte) string {
	body := fmt.Appendf(make([]byte, 0, s.size+256), `{"repository":{"full_name":%q},"n":"%d-%d","commits":"`, repository(n/2%(s.links/2)), time.Now().UnixNano(), n)
	body = append(append(body, padding[:max(0, s.size-len(body)-2)]...), `"}`...)
	signature, expected := sign(secret, body), http.StatusAccepted
	if n%2 == 1 {
		signature, expected = sign("forged", body), http.StatusUnauthorized
	}
	status, err := post(ctx, web, url, signature, bytes.NewReader(body))
	if err != nil {
		return "failed"
	}
	if status != expected {
		return fmt.Sprintf("%d instead of %d", status, expected)
	}
	return fmt.Sprint(status)
}

func sign(key string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func post(ctx context.Context, web *http.Client, url, signature string, body io.Reader) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-GitHub-Event", "push")
	request.Header.Set("X-GitHub-Delivery", signature[:36])
	request.Header.Set("X-Hub-Signature-256", "sha256="+signature)
	response, err := web.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, err
}

// keepFlooding sends forged bodies of the largest size, one after the other.
func keepFlooding(ctx context.Context, url string, sent *atomic.Int64) {
	body := bytes.Repeat([]byte(" "), 25<<20)
	web := &http.Client{Transport: &http.Transport{}}
	defer web.CloseIdleConnections()
	for ctx.Err() == nil {
		counted := &counting{Reader: bytes.NewReader(body), sent: sent}
		request := io.LimitReader(counted, int64(len(body)))
		if _, err := post(ctx, web, url, sign("forged", nil), request); err != nil && errors.Is(err, context.Canceled) {
			return
		}
	}
}

// counting counts what is read of a body.
type counting struct {
	*bytes.Reader
	sent *atomic.Int64
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.sent.Add(int64(n))
	return n, err
}

func report(a *answers, s settings) {
	slices.Sort(a.latencies)
	at := func(quantile float64) time.Duration {
		return a.latencies[int(quantile*float64(len(a.latencies)-1))].Round(10 * time.Microsecond)
	}
	fmt.Printf("  latency: p50 %s, p99 %s, p99.9 %s, most %s\n", at(0.5), at(0.99), at(0.999), at(1))
	for _, status := range slices.Sorted(maps.Keys(a.statuses)) {
		fmt.Printf("  answered %s: %d\n", status, a.statuses[status])
	}
	if at(1) >= time.Second {
		fmt.Println("  MISSED: all are answered within a second")
	}
	if wrong := len(a.latencies) - a.statuses["202"] - a.statuses["401"]; wrong > 0 {
		fmt.Printf("  MISSED: %d of %d were answered otherwise than with 202 or 401\n", wrong, s.rate*int(s.lasting.Seconds()))
	}
}
