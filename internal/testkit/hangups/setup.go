// Package hangups drives the Python reference client hangups 0.4.18, every file of it
// untouched, as an end-to-end peer: against hangouts/hangoutstest through its proxy.
//
// [Start] makes the Python environment (.cache/hangups-venv, once) and runs driver.py, a
// hangups client under remote control. hangups finds the server by four environment
// variables (HTTP_PROXY, HTTPS_PROXY, SSL_CERT_FILE, REQUESTS_CA_BUNDLE); sitecustomize.py
// lets it be imported by Python 3.11 and later.
package hangups

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/need"
)

// sourceDir is the folder of this package.
func sourceDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Environ is the environment in which Python can import hangups.
func Environ() []string {
	return append(os.Environ(), "PYTHONPATH="+sourceDir(), "PYTHONDONTWRITEBYTECODE=1")
}

// Python returns the interpreter of the environment with hangups, which it makes when it is
// not there. Without Python the test is skipped, or fails when the environment variable CI is set.
// The variable HANGUPS_PYTHON names another interpreter that has hangups.
func Python(t testing.TB) string {
	t.Helper()
	if python := os.Getenv("HANGUPS_PYTHON"); python != "" {
		return python
	}
	return need.Venv(t, "hangups-venv", "hangups==0.4.18")
}
