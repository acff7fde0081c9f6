package logstore

import (
	"net"
	"sync"
)

// perAddress is a listener of whose connections no address has more than a share at once. What is more is closed.
type perAddress struct {
	net.Listener
	share int

	mu   sync.Mutex
	open map[string]int
}

func newPerAddress(listener net.Listener, share int) *perAddress {
	return &perAddress{Listener: listener, share: share, open: map[string]int{}}
}

// Accept implements net.Listener.
func (l *perAddress) Accept() (net.Conn, error) {
	for {
		connection, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		address := host(connection.RemoteAddr().String())
		if l.count(address) {
			return &counted{Conn: connection, closed: sync.OnceFunc(func() { l.uncount(address) })}, nil
		}
		_ = connection.Close() // it was not begun with
	}
}

func (l *perAddress) count(address string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[address] >= l.share {
		return false
	}
	l.open[address]++
	return true
}

func (l *perAddress) uncount(address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open[address]--; l.open[address] == 0 {
		delete(l.open, address)
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	closed func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.closed()
	return c.Conn.Close()
}

// host is an address without its port.
func host(address string) string {
	if name, _, err := net.SplitHostPort(address); err == nil {
		return name
	}
	return address
}
