package hangoutstest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"time"
)

const (
	// certLife is how long the proxy's authority and its certificate are valid.
	certLife = 48 * time.Hour
	// certRest is the rest of that life with which a kept authority is still used.
	certRest = 12 * time.Hour
)

// proxyNames are the host names that the proxy serves itself (protocol §3.1, §15.1).
var proxyNames = []string{"google.com", "*.google.com", "*.client-channel.google.com", "*.clients6.google.com",
	"*.googleapis.com", "*.googleusercontent.com"}

// authority is the proxy's certificate authority in DER. It is kept in the state file:
// clients that run on over a restart of the server have read it once and for all.
type authority struct {
	Cert []byte `json:"cert"`
	Key  []byte `json:"key"`
}

// authority returns the TLS configuration for Google's names and the authority in PEM.
func (s *Server) authority() (*tls.Config, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ca, key, err := s.world.authority.parse()
	if err != nil || time.Now().Add(certRest).After(ca.NotAfter) {
		made, err := makeAuthority()
		if err != nil {
			return nil, nil, err
		}
		if err := s.commitLocked(op{Authority: made}); err != nil {
			return nil, nil, err
		}
		if ca, key, err = made.parse(); err != nil {
			return nil, nil, err
		}
	}
	config, err := leafConfig(ca, key)
	return config, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ca.Raw}), err
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

// makeAuthority makes a short-lived authority with basicConstraints CA:TRUE and keyUsage
// keyCertSign, which strict clients ask for.
func makeAuthority() (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "hangoutstest authority"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(certLife),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	cert, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return &authority{cert, der}, err
}

// leafConfig makes the certificate that the proxy shows.
func leafConfig(ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "google.com"}, DNSNames: proxyNames,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: ca.NotAfter,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, ca, &key.PublicKey, caKey)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der, ca.Raw}, PrivateKey: key}},
		NextProtos:   []string{"http/1.1"}, // the reason phrase needs HTTP/1.1
		MinVersion:   tls.VersionTLS12,
	}, nil
}
