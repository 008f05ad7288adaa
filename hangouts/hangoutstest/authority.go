package hangoutstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"sync"
	"time"
)

const (
	// authorityLife is how long the proxy's authority is valid: clients read it once, when they start. It can only
	// certify the names that the proxy serves. authorityRest is the rest of it with which another one is made.
	authorityLife = 5 * 365 * 24 * time.Hour
	authorityRest = 30 * 24 * time.Hour
	// leafLife and leafRest are the same for the certificate that the proxy shows.
	leafLife = 48 * time.Hour
	leafRest = 12 * time.Hour
)

// proxyDomains are those that the proxy serves itself, with everything below (protocol §3.1, §15.1); proxyNames are the
// names in its certificate.
var proxyDomains = []string{"google.com", "googleapis.com", "googleusercontent.com"}

var proxyNames = []string{"google.com", "*.google.com", "*.client-channel.google.com", "*.clients6.google.com",
	"*.googleapis.com", "*.googleusercontent.com"}

// authority is the proxy's certificate authority in DER. It is kept in the state file:
// clients that run on over a restart of the server have read it once and for all.
type authority struct {
	Cert []byte `json:"cert"`
	Key  []byte `json:"key"`
}

// certificates makes what the proxy shows to clients, and renews it while the server runs.
type certificates struct {
	file   string // where the authority is written for clients; "" for nowhere
	now    func() time.Time
	load   func() *authority
	keep   func(*authority) error
	failed func(error) // of a renewal; the handshake goes on with what there is

	mu     sync.Mutex // guards all below
	ca     *x509.Certificate
	caKey  *ecdsa.PrivateKey
	leaf   *tls.Certificate
	expiry time.Time // of leaf
}

// newCertificates takes the kept authority, or makes and keeps one, and writes it to the file.
func (s *Server) newCertificates(file string) (*certificates, error) {
	c := &certificates{
		file: file, now: time.Now,
		load: func() *authority {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.world.authority
		},
		keep: func(made *authority) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.commitLocked(op{Authority: made})
		},
		failed: func(err error) { s.log.Error("Failed to renew the proxy's certificate", "error", err) },
	}
	if ca, key, err := c.load().parse(); err == nil {
		c.ca, c.caKey = ca, key
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.renewLocked(); err != nil {
		return nil, err
	}
	return c, c.writeLocked()
}

// renewLocked makes a certificate, and an authority before it when there is none that lasts.
func (c *certificates) renewLocked() error {
	if c.ca == nil || c.now().Add(authorityRest).After(c.ca.NotAfter) {
		made, err := makeAuthority(c.now())
		if err != nil {
			return err
		}
		ca, key, err := made.parse()
		if err != nil {
			return err
		}
		if err := c.keep(made); err != nil {
			return err
		}
		first := c.ca == nil
		c.ca, c.caKey = ca, key
		if !first {
			if err := c.writeLocked(); err != nil {
				c.failed(err)
			}
		}
	}
	leaf, err := makeLeaf(c.ca, c.caKey, c.now())
	if err != nil {
		return err
	}
	c.leaf, c.expiry = leaf, c.now().Add(leafLife)
	return nil
}

func (c *certificates) writeLocked() error {
	if c.file == "" {
		return nil
	}
	if err := os.WriteFile(c.file, c.pemLocked(), 0o600); err != nil {
		return fmt.Errorf("write certificate authority: %w", err)
	}
	return nil
}

func (c *certificates) pemLocked() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.ca.Raw})
}

// pem is the present authority.
func (c *certificates) pem() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pemLocked()
}

// current is the certificate for a handshake.
func (c *certificates) current(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now().Add(leafRest).After(c.expiry) {
		if err := c.renewLocked(); err != nil {
			c.failed(err)
		}
	}
	return c.leaf, nil
}

func (c *certificates) config() *tls.Config {
	return &tls.Config{
		GetCertificate: c.current,
		NextProtos:     []string{"http/1.1"}, // the reason phrase needs HTTP/1.1
		MinVersion:     tls.VersionTLS12,
	}
}

func (a *authority) parse() (*x509.Certificate, *ecdsa.PrivateKey, error) {
	if a == nil {
		return nil, nil, ErrNotFound
	}
	ca, err := x509.ParseCertificate(a.Cert)
	if err != nil {
		return nil, nil, err
	}
	key, err := x509.ParseECPrivateKey(a.Key)
	return ca, key, err
}

// makeAuthority makes an authority with basicConstraints CA:TRUE and keyUsage keyCertSign, which strict clients ask for.
func makeAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "hangoutstest authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(authorityLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: proxyDomains,
	}
	cert, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return &authority{cert, der}, err
}

// makeLeaf makes a certificate that the proxy shows.
func makeLeaf(ca *x509.Certificate, caKey *ecdsa.PrivateKey, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "google.com"}, DNSNames: proxyNames,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der, ca.Raw}, PrivateKey: key}, nil
}
