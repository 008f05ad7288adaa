// Package neterr makes errors of HTTP fit for logs: those of net/http quote addresses, header lines
// and bodies, which hold session ids, tokens and cookies.
package neterr

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"syscall"
)

// broken stands for an error whose text may quote what the peer sent.
const broken = "the connection broke or the answer is no HTTP"

// clean is an error with a text that holds nothing of the request and of the answer.
type clean struct{ err error }

// Clean hides the text of an error of net/http unless it is known to be harmless. The chain stays
// usable for errors.Is and errors.As, except that a url.Error is taken off.
func Clean(err error) error {
	var urlError *url.Error
	for errors.As(err, &urlError) {
		err = urlError.Err
	}
	if err == nil {
		return nil
	}
	return &clean{err}
}

func (c *clean) Error() string {
	for _, known := range []error{
		context.Canceled, context.DeadlineExceeded, io.ErrUnexpectedEOF, io.EOF, net.ErrClosed, http.ErrSchemeMismatch,
		http.ErrBodyReadAfterClose, http.ErrServerClosed,
	} {
		if errors.Is(c.err, known) {
			return known.Error()
		}
	}
	var op *net.OpError
	var number syscall.Errno
	var verification *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var header textproto.ProtocolError
	switch {
	case errors.As(c.err, &header):
		return "malformed header in the answer"
	case errors.As(c.err, &op):
		return op.Error()
	case errors.As(c.err, &verification):
		return verification.Error()
	case errors.As(c.err, &authority):
		return authority.Error()
	case errors.As(c.err, &record):
		return "the answer is no TLS"
	case errors.As(c.err, &alert):
		return alert.Error()
	case errors.As(c.err, &number):
		return number.Error()
	}
	var timeout net.Error
	if errors.As(c.err, &timeout) && timeout.Timeout() {
		return "timeout"
	}
	return broken
}

func (c *clean) Unwrap() error { return c.err }
