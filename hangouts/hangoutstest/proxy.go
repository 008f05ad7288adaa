package hangoutstest

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// proxy is the CONNECT proxy: it ends TLS for Google's host names and passes the plain
// requests to the server's handler. It refuses every other name.
type proxy struct {
	http   *http.Server
	inner  *http.Server
	tunnel *tunnels
	certs  *certificates
}

type proxiedKey struct{}

// proxied says whether a request came through the proxy.
func proxied(r *http.Request) bool { return r.Context().Value(proxiedKey{}) != nil }

func (s *Server) startProxy(opts Options) error {
	ln, err := net.Listen("tcp", opts.ProxyListen)
	if err != nil {
		return fmt.Errorf("listen for the proxy: %w", err)
	}
	certs, err := s.newCertificates(opts.CAFile)
	if err != nil {
		_ = ln.Close()
		return fmt.Errorf("make certificate authority: %w", err)
	}
	p := &proxy{certs: certs, tunnel: &tunnels{conns: make(chan net.Conn), done: make(chan struct{}), addr: ln.Addr()}}
	mark := func(net.Listener) context.Context { return context.WithValue(s.ctx, proxiedKey{}, true) }
	p.http = &http.Server{Handler: p.handler(s.http.Handler), ReadHeaderTimeout: 30 * time.Second, BaseContext: mark, ErrorLog: discardLog()}
	p.inner = &http.Server{Handler: s.http.Handler, ReadHeaderTimeout: 30 * time.Second, BaseContext: mark, ErrorLog: discardLog()}
	s.proxy = p
	s.ProxyURL = "http://" + reachable(ln.Addr())
	s.goFunc(func() { _ = p.http.Serve(ln) })
	s.goFunc(func() { _ = p.inner.Serve(p.tunnel) })
	return nil
}

func (p *proxy) close() {
	p.http.Close()
	p.tunnel.Close()
	p.inner.Close()
}

// CAPEM is the proxy's present certificate authority in PEM; nil without a proxy.
func (s *Server) CAPEM() []byte {
	if s.proxy == nil {
		return nil
	}
	return s.proxy.certs.pem()
}

// handler answers CONNECT by a TLS connection to the server itself, and plain requests for
// Google's names directly.
func (p *proxy) handler(next http.Handler) http.Handler {
	config := p.certs.config()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			if !r.URL.IsAbs() || !servesHost(r.URL.Hostname()) {
				http.Error(w, "this proxy serves Google's host names only", http.StatusForbidden)
				return
			}
			next.ServeHTTP(w, r)
			return
		}
		host, port, err := net.SplitHostPort(r.Host)
		if err != nil || port != "443" || !servesHost(host) {
			http.Error(w, "this proxy serves Google's host names only", http.StatusForbidden)
			return
		}
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, "cannot tunnel", http.StatusInternalServerError)
			return
		}
		if _, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			conn.Close()
			return
		}
		p.tunnel.pass(tls.Server(&bufferedConn{conn, buf.Reader}, config))
	})
}

func servesHost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	for _, suffix := range proxyDomains {
		if host == suffix || strings.HasSuffix(host, "."+suffix) {
			return true
		}
	}
	return false
}

// bufferedConn first yields what the HTTP server read ahead.
type bufferedConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *bufferedConn) Read(b []byte) (int, error) { return c.r.Read(b) }

// NetConn gives the connection below, for a TCP reset.
func (c *bufferedConn) NetConn() net.Conn { return c.Conn }

// tunnels is a listener whose connections are handed in.
type tunnels struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
	addr  net.Addr
}

func (t *tunnels) pass(c net.Conn) {
	select {
	case t.conns <- c:
	case <-t.done:
		c.Close()
	}
}

func (t *tunnels) Accept() (net.Conn, error) {
	select {
	case c := <-t.conns:
		return c, nil
	case <-t.done:
		return nil, net.ErrClosed
	}
}

func (t *tunnels) Close() error {
	t.once.Do(func() { close(t.done) })
	return nil
}

func (t *tunnels) Addr() net.Addr { return t.addr }
