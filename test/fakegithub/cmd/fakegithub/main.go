// Command fakegithub serves the stand-in for GitHub, for the demo and the end-to-end tests. Its repositories
// are made through the control API; see package fakegithub.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"katkit.dev/katkit/test/fakegithub"
)

func main() {
	listen := flag.String("listen", ":8080", "address to listen on")
	dir := flag.String("dir", "/data", "folder of the repositories")
	base := flag.String("base-url", "", "address in links; empty: the one that each request came to")
	accounts := flag.String("accounts", "", `JSON file of the tokens: {"TOKEN": {"login": "...", "repositories": {"owner/name or *": "read or write"}}}`)
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage: fakegithub [flags]\n\nFAKEGITHUB_ADMIN_TOKEN is the token of the control API; without it that is off.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := run(*listen, *dir, *base, *accounts); err != nil {
		log.Fatal("fakegithub: ", err)
	}
}

func run(listen, dir, base, accounts string) error {
	tokens := map[string]fakegithub.Account{}
	if accounts != "" {
		data, err := os.ReadFile(accounts)
		if err != nil {
			return err
		}
		if err := json.Unmarshal(data, &tokens); err != nil {
			return fmt.Errorf("%s: %w", accounts, err)
		}
	}
	handler, err := fakegithub.New(fakegithub.Options{Dir: dir, Tokens: tokens, BaseURL: base, AdminToken: os.Getenv("FAKEGITHUB_ADMIN_TOKEN")})
	if err != nil {
		return err
	}
	defer handler.Close()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server := &http.Server{Addr: listen, Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Printf("fakegithub: serving %s on %s", dir, listen)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(ending); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
