// Package hangups drives the Python reference client hangups 0.4.18, every file of it
// untouched, as an end-to-end peer: against hangouts/hangoutstest through its proxy.
//
// [Start] makes the Python environment (.cache/hangups-venv, once) and runs driver.py, a
// hangups client under remote control. hangups finds the server by four environment
// variables (HTTP_PROXY, HTTPS_PROXY, SSL_CERT_FILE, REQUESTS_CA_BUNDLE); sitecustomize.py
// lets it be imported by Python 3.11 and later.
package hangups

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

const (
	venvName    = "hangups-venv"
	requirement = "hangups==0.4.18"
	// hangups asks for protobuf below 4, which has no compiled runtime for Python 3.11 and later.
	fastName        = "hangups-upb-venv"
	fastRequirement = "protobuf==4.25.8"
	// setupMissing is the exit status of e2e/setup.sh for a part that cannot be installed here.
	setupMissing = 3
)

// sourceDir is the folder of this package.
func sourceDir() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(file)
}

// Python returns the interpreter of the environment with hangups, which it makes when it is
// not there. Without Python the test is skipped, or fails when the environment variable CI is set.
// The variable HANGUPS_PYTHON names another interpreter that has hangups.
func Python(t testing.TB) string {
	t.Helper()
	if python := os.Getenv("HANGUPS_PYTHON"); python != "" {
		return python
	}
	return environment(t, venvName, requirement)
}

// fastPython is the interpreter of an environment with the compiled runtime of protobuf, which
// hangups' own requirements rule out, and nothing else.
func fastPython(t testing.TB) string {
	t.Helper()
	return environment(t, fastName, fastRequirement)
}

func environment(t testing.TB, name, requirement string) string {
	t.Helper()
	root := filepath.Dir(filepath.Dir(sourceDir()))
	cmd := exec.Command("bash", filepath.Join(root, "e2e", "setup.sh"), "venv", name, requirement)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
	case errors.As(err, &exit) && exit.ExitCode() != setupMissing, os.Getenv("CI") != "":
		t.Fatalf("e2e/setup.sh venv %s %s: %v\n%s", name, requirement, err, out.String())
	default:
		t.Skipf("NOT TESTED against hangups: no Python environment: %v\n%s", err, out.String())
	}
	return filepath.Join(root, ".cache", name, "bin", "python")
}
