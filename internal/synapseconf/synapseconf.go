// Package synapseconf writes the files of a small Synapse homeserver on the loopback
// interface, without federation and without rate limits: for end-to-end tests and the demo.
package synapseconf

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"

	"maunium.net/go/mautrix/appservice"
)

// Config says what the files hold.
type Config struct {
	Dir           string   // where everything is written
	Port          int      // of the client-server API, on 127.0.0.1
	ServerName    string   // part of user ids after the colon
	Secret        string   // registration_shared_secret
	Registrations []string // files of application services
	NoPresence    bool
	Encryption    bool   // to-device messages and key counts for application services (MSC2409, MSC3202)
	LogLevel      string // "WARNING"; "INFO" logs each request
}

// File is the path of the homeserver's config.
func (c Config) File() string { return filepath.Join(c.Dir, "homeserver.yaml") }

// LogFile is the path of the homeserver's log.
func (c Config) LogFile() string { return filepath.Join(c.Dir, "synapse.log") }

// Args are the arguments for Synapse's Python to run the homeserver.
func (c Config) Args() []string {
	return []string{"-m", "synapse.app.homeserver", "-c", c.File()}
}

//go:embed homeserver.yaml.tmpl
var configText string

var configTemplate = template.Must(template.New("homeserver.yaml").Parse(configText))

// logConfig takes the log's file and level.
const logConfig = `version: 1
disable_existing_loggers: false
formatters: {line: {format: '%%(asctime)s %%(name)s %%(levelname)s %%(request)s %%(message)s'}}
handlers: {file: {class: logging.FileHandler, formatter: line, filename: %q}}
root: {level: %s, handlers: [file]}
`

// Write writes the files; a signing key that is there stays.
func (c Config) Write() error {
	var out bytes.Buffer
	if err := configTemplate.Execute(&out, c); err != nil {
		return fmt.Errorf("make Synapse's config: %w", err)
	}
	if err := os.WriteFile(c.File(), out.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write Synapse's config: %w", err)
	}
	if err := os.WriteFile(filepath.Join(c.Dir, "log.yaml"), fmt.Appendf(nil, logConfig, c.LogFile(), c.LogLevel), 0o600); err != nil {
		return fmt.Errorf("write Synapse's log config: %w", err)
	}
	key := filepath.Join(c.Dir, "signing.key")
	if _, err := os.Stat(key); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	seed := make([]byte, 32)
	if _, err := rand.Read(seed); err != nil {
		return fmt.Errorf("make signing key: %w", err)
	}
	return os.WriteFile(key, fmt.Appendf(nil, "ed25519 a_test %s\n", base64.RawStdEncoding.EncodeToString(seed)), 0o600)
}

// WriteDoublePuppet writes the registration of an application service that may act as
// everybody on a server, for double puppeting, and returns its token: the bridge's config
// takes it as "as_token:" + token.
func WriteDoublePuppet(file, serverName string) (token string, err error) {
	reg := appservice.CreateRegistration()
	reg.ID, reg.URL, reg.SenderLocalpart = "doublepuppet", "", "doublepuppet-"+reg.ServerToken[:16]
	limited := false
	reg.RateLimited = &limited
	reg.Namespaces.UserIDs = appservice.NamespaceList{{Regex: `@.*:` + serverName, Exclusive: false}}
	text, err := reg.YAML()
	if err == nil {
		// Null, not empty: Synapse would try to reach an empty address.
		text = strings.Replace(text, `url: ""`, "url: null", 1)
		err = os.WriteFile(file, []byte(text), 0o600)
	}
	if err != nil {
		return "", fmt.Errorf("write double puppet registration: %w", err)
	}
	return reg.AppToken, nil
}
