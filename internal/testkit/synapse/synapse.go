// Package synapse runs a real Synapse homeserver for end-to-end tests: a temporary folder, SQLite, a free port of the
// loopback interface, no federation, no rate limits. People act on it through package mxclient.
package synapse

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hangouts-bridge/hangouts-bridge/internal/synapseconf"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/need"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/proc"
)

// Options configure a Server. The zero value is usable.
type Options struct {
	ServerName    string   // default "test.localhost"
	Port          int      // default a free one
	Registrations []string // files of application services; read at every start
	NoPresence    bool     // switches presence off, which makes sends up to 1.4 times faster
	Encryption    bool     // to-device messages and key counts for application services (MSC2409, MSC3202)
	LogLevel      string   // of Synapse, default "WARNING"; "INFO" logs each request
}

// Server is a running Synapse. Its methods belong to the goroutine of the test.
type Server struct {
	t    testing.TB
	opts Options
	dir  string
	port int
	proc *proc.Process
}

const sharedSecret = "shared-secret"

// Start runs Synapse until the test ends. Without Python the test is skipped, or fails in continuous integration.
func Start(t testing.TB, opts Options) *Server {
	t.Helper()
	need.Part(t, "synapse")
	if opts.ServerName == "" {
		opts.ServerName = "test.localhost"
	}
	if opts.LogLevel == "" {
		opts.LogLevel = "WARNING"
	}
	if opts.Port == 0 {
		opts.Port = proc.FreePort(t)
	}
	s := &Server{t: t, opts: opts, dir: t.TempDir(), port: opts.Port}
	s.writeConfig()
	// Cleanups run last to first: the log is shown before the folder goes.
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("last lines of Synapse's log:\n%s", s.logTail())
		}
	})
	s.proc = proc.Start(t, proc.Options{
		Name: "synapse", Path: need.Python(t, "synapse-venv"), Dir: s.dir,
		Args: s.config().Args(),
	})
	s.ready()
	return s
}

// URL is the base address of the client-server API.
func (s *Server) URL() string { return fmt.Sprintf("http://127.0.0.1:%d", s.port) }

// ServerName is the part of user ids and aliases after the colon.
func (s *Server) ServerName() string { return s.opts.ServerName }

// SharedSecret is the secret for registering users, as mxclient needs it.
func (s *Server) SharedSecret() string { return sharedSecret }

// Process is the running program, for signals of your own.
func (s *Server) Process() *proc.Process { return s.proc }

// Kill9 kills Synapse.
func (s *Server) Kill9() { s.proc.Kill9() }

// Stop ends Synapse in order, which takes about two seconds.
func (s *Server) Stop() {
	s.t.Helper()
	s.proc.Terminate()
}

// StartAgain starts Synapse after Kill9 or Stop, with its data, on the same port, and waits until it answers.
func (s *Server) StartAgain() {
	s.t.Helper()
	s.writeConfig()
	s.proc.StartAgain()
	s.ready()
}

// Restart is Stop and StartAgain.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.StartAgain()
}

// AddRegistration adds the file of an application service, which Synapse reads at its next start.
func (s *Server) AddRegistration(path string) {
	s.opts.Registrations = append(s.opts.Registrations, path)
}

func (s *Server) ready() {
	s.t.Helper()
	s.proc.WaitHTTP(s.URL() + "/health")
}

func (s *Server) logTail() string {
	data, err := os.ReadFile(s.config().LogFile())
	if err != nil {
		return err.Error()
	}
	return string(data[max(0, len(data)-8000):])
}

func (s *Server) writeConfig() {
	s.t.Helper()
	if err := s.config().Write(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) config() synapseconf.Config {
	return synapseconf.Config{
		Dir: s.dir, Port: s.port, ServerName: s.opts.ServerName, Secret: sharedSecret, Registrations: s.opts.Registrations,
		NoPresence: s.opts.NoPresence, Encryption: s.opts.Encryption, LogLevel: s.opts.LogLevel,
	}
}

// DoublePuppet writes the registration of an application service that may act as everybody, for double puppeting, and
// returns its file and token: list the file in Options.Registrations and give the bridge "as_token:" + token.
func DoublePuppet(t testing.TB, serverName string) (file, token string) {
	t.Helper()
	file = filepath.Join(t.TempDir(), "doublepuppet.yaml")
	token, err := synapseconf.WriteDoublePuppet(file, serverName)
	if err != nil {
		t.Fatal(err)
	}
	return file, token
}
