package install

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// quietInterval is the time between two lines about one step that takes long.
const quietInterval = 15 * time.Second

// step does something and tells so in a line when it has ended, and every now and then until then. What work tells
// through its argument is part of those lines.
func (c *Cluster) step(ctx context.Context, name string, work func(ctx context.Context, tell func(string)) error) error {
	began := time.Now()
	var mu sync.Mutex
	last := "…"
	tell := func(text string) {
		mu.Lock()
		defer mu.Unlock()
		last = text
	}
	told := func() string {
		mu.Lock()
		defer mu.Unlock()
		return last
	}
	stop := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() {
		tick := time.NewTicker(quietInterval)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				c.line(name, told()+" …", time.Since(began))
			}
		}
	})
	err := work(ctx, tell)
	close(stop)
	telling.Wait()
	if err != nil {
		c.line(name, "failed", time.Since(began))
		return fmt.Errorf("%s: %w", name, err)
	}
	c.line(name, told(), time.Since(began))
	return nil
}

func (c *Cluster) line(name, text string, took time.Duration) {
	fmt.Fprintf(c.Out, "  %-16s %-56s %7s\n", name, clip(text, 56), Seconds(took))
}

// Seconds writes a duration as people read it: 0.4 s, 12 s, 2 min 5 s.
func Seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}

// lines lets several goroutines write whole lines to one stream.
type lines struct {
	mu sync.Mutex
	to io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

// tail keeps the last lines of what is written to it and tells the newest one.
type tail struct {
	mu   sync.Mutex
	text string
	tell func(string)
}

const tailBytes = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text += string(p)
	if extra := len(t.text) - tailBytes; extra > 0 {
		t.text = t.text[extra:]
	}
	done := strings.TrimSpace(t.text)
	newest := done[strings.LastIndexByte(done, '\n')+1:]
	if t.tell != nil && newest != "" {
		t.tell(newest)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.TrimSpace(t.text)
}

func clip(text string, most int) string {
	runes := []rune(text)
	if len(runes) <= most {
		return text
	}
	return string(runes[:most-1]) + "…"
}
