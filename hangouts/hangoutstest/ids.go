package hangoutstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
)

// generator makes every identifier and token. Two generators of the same seed and
// generation yield the same sequence; a reopened state file uses the next generation, so
// nothing is handed out twice. It is guarded by Server.mu.
type generator struct {
	rng    *rand.ChaCha8
	secret []byte
}

func newGenerator(seed uint64, generation int) *generator {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], seed)
	binary.LittleEndian.PutUint64(b[8:], uint64(generation))
	// The token secret stays the same over generations: tokens outlive a restart.
	secret := sha256.Sum256(append([]byte("token secret"), b[:8]...))
	return &generator{rng: rand.NewChaCha8(sha256.Sum256(b[:])), secret: secret[:]}
}

func (g *generator) bytes(n int) []byte {
	b := make([]byte, n)
	g.rng.Read(b)
	return b
}

// urlSafe returns n characters of URL-safe base64.
func (g *generator) urlSafe(n int) string {
	return base64.RawURLEncoding.EncodeToString(g.bytes(n))[:n]
}

func (g *generator) digits(n int) string {
	var sb strings.Builder
	for range n {
		sb.WriteByte('0' + byte(g.rng.Uint64()%10))
	}
	return sb.String()
}

// gaiaID returns 21 decimal digits (protocol §11.1).
func (g *generator) gaiaID() string { return "1" + g.digits(20) }

// eventID returns 22 URL-safe characters (protocol §10.1).
func (g *generator) eventID() string { return g.urlSafe(22) }

// conversationID looks like Ugx…4AaABAQ (protocol §10.1).
func (g *generator) conversationID() string { return "Ugx" + g.urlSafe(16) + "4AaABAQ" }

// sid returns 16 upper-case hex digits (protocol §5.4).
func (g *generator) sid() string { return strings.ToUpper(hex.EncodeToString(g.bytes(8))) }

func (g *generator) gsessionID() string { return g.urlSafe(22) }

func (g *generator) clientID() string {
	return "lcsw_hangouts_" + strings.ToUpper(hex.EncodeToString(g.bytes(4)))
}

// traceID is a signed 64-bit decimal (protocol §8.1).
func (g *generator) traceID() string { return strconv.FormatInt(int64(g.rng.Uint64()), 10) }

// cookies returns a fresh set of session cookies (protocol §3.5).
func (g *generator) cookies() map[string]string {
	return map[string]string{
		"SID":     "DQAAA" + g.urlSafe(40) + ".",
		"HSID":    "A" + g.urlSafe(16),
		"SSID":    "A" + g.urlSafe(16),
		"APISID":  g.urlSafe(16) + "/A" + g.urlSafe(16),
		"SAPISID": g.urlSafe(16) + "/A" + g.urlSafe(16),
	}
}

// sign makes a bearer of kind for a subject that needs no storage: access tokens and
// uberauths survive a restart without a record.
func (g *generator) sign(kind, subject string) string {
	body := base64.RawURLEncoding.EncodeToString([]byte(subject))
	return kind + body + "." + g.mac(kind, body)
}

// verify returns the subject of a token made by sign.
func (g *generator) verify(kind, token string) (string, bool) {
	rest, ok := strings.CutPrefix(token, kind)
	if !ok {
		return "", false
	}
	body, mac, ok := strings.Cut(rest, ".")
	if !ok || !hmac.Equal([]byte(mac), []byte(g.mac(kind, body))) {
		return "", false
	}
	subject, err := base64.RawURLEncoding.DecodeString(body)
	return string(subject), err == nil
}

func (g *generator) mac(kind, body string) string {
	h := hmac.New(sha256.New, g.secret)
	fmt.Fprintf(h, "%s\x00%s", kind, body)
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))[:27]
}
