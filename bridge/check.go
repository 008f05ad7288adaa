package bridge

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"text/template"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/zeroconfig"
	"gopkg.in/yaml.v3"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/database"
)

// What the example config has in places that everybody has to fill in.
const (
	placeholderAddress = "http://example.localhost:8008"
	placeholderDomain  = "example.com"
	placeholderToken   = "This value is generated when generating the registration"
)

// checkText reads the config as it stands in the file. The upgrade drops values of a wrong
// type, from the file too, so they have to be found before it.
func checkText(text []byte, into *config.Config) error {
	var file bridgeconfig.Config
	if err := yaml.Unmarshal(text, &file); err != nil || file.Network.IsZero() {
		return err
	}
	return file.Network.Decode(into)
}

// CheckConfig looks for what the framework would end the program for, in words that say
// what to do, and before anything is opened.
func (m *Main) CheckConfig() error {
	c := m.Config
	switch {
	case c.Homeserver.Address == placeholderAddress:
		return errors.New("homeserver.address is still that of the example: set it, or make it empty to run without Matrix")
	case c.Homeserver.Domain == placeholderDomain || c.Homeserver.Domain == "":
		return errors.New("homeserver.domain is not set: it is the part of your Matrix user id after the colon")
	case !bridgeconfig.AllowedHomeserverSoftware[c.Homeserver.Software]:
		return errors.New("homeserver.software has an unknown value; for most servers it is \"standard\"")
	case isPlaceholder(c.AppService.ASToken), isPlaceholder(c.AppService.HSToken):
		return errors.New("appservice.as_token and hs_token are not set: make a registration with -g and install it in the homeserver")
	case !c.Bridge.Permissions.IsConfigured():
		return errors.New("bridge.permissions is still that of the example: say there who may use the bridge, such as \"" + c.Homeserver.Domain + "\": user")
	case c.Database.URI == "":
		return errors.New("database.uri is not set")
	}
	if err := checkUsernames(c.AppService.UsernameTemplate); err != nil {
		return err
	}
	for _, uri := range []string{c.Database.URI, c.Database.ReadOnlyPool.URI} {
		if err := database.CheckURI(c.Database.Type, uri); err != nil {
			return err
		}
	}
	if err := checkAddress("homeserver.address", c.Homeserver.Address); err != nil {
		return err
	}
	if err := checkAddress("appservice.address", c.AppService.Address); err != nil {
		return err
	}
	return m.connector.ValidateConfig()
}

// checkUsernames refuses a template with which the framework would panic, or that gives all ghosts
// one name.
func checkUsernames(text string) error {
	const id = "1234567890"
	parsed, err := template.New("username").Parse(text)
	var out strings.Builder
	if err == nil {
		err = parsed.Execute(&out, id)
	}
	if err != nil || !strings.Contains(out.String(), id) {
		return errors.New("appservice.username_template has to contain {{.}}")
	}
	return nil
}

// checkAddress refuses what is no address, and one with a password, which logs and errors of HTTP
// would show. Its error does not quote the value.
func checkAddress(key, value string) error {
	u, err := url.Parse(value)
	switch {
	case value == "":
		return nil
	case err != nil || u.Host == "" && u.Scheme != "unix":
		return fmt.Errorf("%s is not an address like http://127.0.0.1:8008", key)
	case u.User != nil:
		return fmt.Errorf("%s may not hold a user and a password", key)
	}
	return nil
}

func isPlaceholder(token string) bool { return token == "" || token == placeholderToken }

// upgradeError is why the tables of a section cannot be used.
func (m *Main) upgradeError(section string, err error) error {
	if errors.Is(err, dbutil.ErrUnsupportedDatabaseVersion) && !errors.Is(err, database.ErrNewer) {
		err = fmt.Errorf("%w: %w", database.ErrNewer, err)
	}
	return bridgev2.DBUpgradeError{Section: section, Err: fmt.Errorf("upgrade database %s: %w", databaseName(&m.Config.Database), database.Hide(err, m.Config.Database.URI))}
}

// databaseName is how a database is called in messages: an address may hold a password.
func databaseName(c *dbutil.Config) string {
	if !strings.HasPrefix(c.Type, "sqlite") {
		return "(database.uri)"
	}
	name, _, _ := strings.Cut(c.URI, "?")
	return name
}

// logsToTerminal reports whether the log is shown where the program was started.
func logsToTerminal(c *zeroconfig.Config) bool {
	for _, w := range c.Writers {
		if w.Type == zeroconfig.WriterTypeStdout || w.Type == zeroconfig.WriterTypeStderr {
			return true
		}
	}
	return false
}

// complain writes the one line that says why the program ends.
func complain(err error) {
	_, _ = fmt.Fprintln(os.Stderr, "hangouts-bridge:", strings.Join(strings.Fields(err.Error()), " "))
}
