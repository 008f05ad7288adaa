package hangouts

import (
	"net/url"
	"testing"
)

// SAPISIDHash is for the vectors.
var SAPISIDHash = sapisidHash

// Trusted reports whether a configuration trusts the host of an address.
func Trusted(t *testing.T, cfg Config, address string) bool {
	cfg, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.trusted(u)
}

// EndpointsOf gives the addresses that a configuration stands for.
func EndpointsOf(t *testing.T, cfg Config) Endpoints {
	cfg, err := cfg.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Endpoints
}

// UploadState gives the state that an answer of the upload service tells.
func UploadState(body []byte) (string, error) {
	status, err := uploadSession(body)
	if err != nil {
		return "", err
	}
	return status.State, nil
}

// MaxKinds is how many conversations a client knows the type of.
const MaxKinds = maxKinds

// KnownKinds is how many that are.
func KnownKinds(c *Client) int {
	c.kinds.mu.Lock()
	defer c.kinds.mu.Unlock()
	return len(c.kinds.byID)
}
