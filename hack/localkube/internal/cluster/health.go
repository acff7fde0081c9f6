package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"
)

// probe asks once whether something is well; it must return within about a second.
type probe func(ctx context.Context) error

const probeTimeout = time.Second

// httpProbe wants status 200 of a URL. The certificate is not checked: some components sign their own, and
// nothing is told to them.
func httpProbe(url string) probe {
	client := &http.Client{Timeout: probeTimeout, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
	}}
	return func(ctx context.Context) error {
		_, err := request(ctx, client, http.MethodGet, url, "", nil)
		return err
	}
}

func socketProbe(path string) probe {
	return func(ctx context.Context) error {
		conn, err := (&net.Dialer{Timeout: probeTimeout}).DialContext(ctx, "unix", path)
		if err != nil {
			return err
		}
		return conn.Close()
	}
}

func (c *Cluster) apiProbe(path string) probe {
	return func(ctx context.Context) error {
		client, err := c.apiClient()
		if err != nil {
			return err
		}
		defer client.CloseIdleConnections()
		_, err = request(ctx, client, http.MethodGet, c.apiURL()+path, "", nil)
		return err
	}
}

// apiClient returns a client that is the administrator.
func (c *Cluster) apiClient() (*http.Client, error) {
	cert, err := tls.LoadX509KeyPair(c.pki.Cert("admin"), c.pki.Key("admin"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(c.pki.Cert("ca"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	return &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}, nil
}

// statusError is an answer that is no success.
type statusError struct {
	Code int
	Body string
}

func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.Code, e.Body) }

func request(ctx context.Context, client *http.Client, method, url, contentType string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	answer, err := client.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 {
		text := strings.TrimSpace(string(data))
		return nil, &statusError{answer.StatusCode, text[:min(len(text), 500)]}
	}
	return data, nil
}

// nodeReady tells whether a node is Ready, and says so since the kubelet started: what an earlier kubelet
// said stands for most of a minute.
func (c *Cluster) nodeReady(n node) probe {
	return func(ctx context.Context) error { return c.checkNode(ctx, n) }
}

func (c *Cluster) checkNode(ctx context.Context, n node) error {
	var lease struct{ Spec struct{ RenewTime time.Time } }
	if err := c.get(ctx, "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/"+n.Name, &lease); err != nil {
		return err
	}
	if kubelet, running := c.table.Find(n.program(kubeletName)); !running || lease.Spec.RenewTime.Before(kubelet.Started) {
		return errors.New("the kubelet has not reported since it started")
	}
	var node struct {
		Status struct {
			Conditions []struct{ Type, Status, Message string }
		}
	}
	if err := c.get(ctx, "/api/v1/nodes/"+n.Name, &node); err != nil {
		return err
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type == "Ready" && condition.Status != "True" {
			return errors.New(condition.Message)
		}
		if condition.Type == "Ready" {
			return nil
		}
	}
	return errors.New("the kubelet has not reported yet")
}

// dnsAnswers looks a Service up through the Service of the DNS, and so through kube-proxy's rules.
func (c *Cluster) dnsAnswers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	resolver := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, c.plan.DNS.String()+":53")
	}}
	_, err := resolver.LookupHost(ctx, "kubernetes.default.svc.cluster.local.")
	return err
}

func (c *Cluster) get(ctx context.Context, path string, into any) error {
	client, err := c.apiClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	data, err := request(ctx, client, http.MethodGet, c.apiURL()+path, "", nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// pollInterval is the time between two questions while waiting for something to become well.
const pollInterval = 50 * time.Millisecond

// waitFor asks until the probe is satisfied. `abort`, when not nil, is asked too, and ends the waiting with its error.
func waitFor(ctx context.Context, limit time.Duration, ask probe, abort func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if abort != nil {
			if stop := abort(); stop != nil {
				return stop
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %s: %w", limit, err)
		case <-tick.C:
		}
	}
}

// RegistryReady asks the registry whether it is there.
func (c *Cluster) RegistryReady(ctx context.Context) error {
	return c.registry().healthy(ctx)
}
