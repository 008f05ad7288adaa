package hangouts

import (
	"crypto/sha1" //nolint:gosec // the protocol's choice
	"encoding/hex"
	"strconv"
)

// sapisidHash is the value of the authorization header (protocol §3.4). seconds is the Unix
// time; a server takes any.
func sapisidHash(sapisid, origin string, seconds int64) string {
	stamp := strconv.FormatInt(seconds, 10)
	sum := sha1.Sum([]byte(stamp + " " + sapisid + " " + origin)) //nolint:gosec
	return "SAPISIDHASH " + stamp + "_" + hex.EncodeToString(sum[:])
}
