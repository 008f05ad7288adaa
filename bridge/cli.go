package bridge

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"runtime"

	"go.mau.fi/util/configupgrade"
	"gopkg.in/yaml.v3"
	flag "maunium.net/go/mauflag"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/bridgev2/matrix/mxmain"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/homeserver"
)

// cliFlags are the flags that operators of mautrix bridges know.
type cliFlags struct {
	set          *flag.Set
	config       *string
	example      *bool
	noUpdate     *bool
	registration *string
	generate     *bool
	version      *bool
	versionJSON  *bool
	anyDatabase  *bool
	anyTables    *bool
	anyServer    *bool
	help         *bool
}

func makeFlags(args []string) *cliFlags {
	set := flag.New(args)
	f := &cliFlags{
		set:          set,
		config:       set.MakeFull("c", "config", "The path to your config file.", "config.yaml").String(),
		example:      set.MakeFull("e", "generate-example-config", "Save the example config to the config path and quit.", "false").Bool(),
		noUpdate:     set.MakeFull("n", "no-update", "Don't save updated config to disk.", "false").Bool(),
		registration: set.MakeFull("r", "registration", "The path where to save the appservice registration.", "registration.yaml").String(),
		generate:     set.MakeFull("g", "generate-registration", "Generate registration and quit.", "false").Bool(),
		version:      set.MakeFull("v", "version", "View bridge version and quit.", "false").Bool(),
		versionJSON:  set.Make().LongKey("version-json").Usage("Print a JSON object representing the bridge version and quit.").Default("false").Bool(),
		anyDatabase:  set.Make().LongKey("ignore-unsupported-database").Usage("Run even if the database schema is too new").Default("false").Bool(),
		anyTables:    set.Make().LongKey("ignore-foreign-tables").Usage("Run even if the database contains tables from other programs (like Synapse)").Default("false").Bool(),
		anyServer:    set.Make().LongKey("ignore-unsupported-server").Usage("Run even if the Matrix homeserver is outdated").Default("false").Bool(),
	}
	f.help, _ = set.MakeHelpFlag()
	return f
}

// parse reads the flags and the config; done says that the program ends with code.
func (m *Main) parse(args []string) (code int, done bool) {
	f := makeFlags(args)
	f.set.SetHelpTitles(fmt.Sprintf("%s - %s", m.Name, m.Description), fmt.Sprintf("%s [-hgvn] [-c <path>] [-r <path>]", m.Name))
	err := f.set.Parse()
	if err == nil && f.set.NArg() > 0 {
		err = fmt.Errorf("unexpected argument: %s", f.set.Arg(0))
	}
	m.ConfigPath, m.RegistrationPath, m.SaveConfig = *f.config, *f.registration, !*f.noUpdate
	switch {
	case err != nil:
		return report(fmt.Errorf("%w; see %s --help", err, m.Name), ExitStart), true
	case *f.help:
		f.set.PrintHelp()
		return 0, true
	case *f.version:
		fmt.Println(m.Name, m.Version)
		return 0, true
	case *f.versionJSON:
		return m.printVersion(), true
	case *f.example:
		return report(m.WriteExample(m.ConfigPath), ExitStart), true
	}
	if err = m.LoadConfigFile(m.ConfigPath, false); err != nil {
		return report(err, ExitConfig), true
	}
	if *f.generate {
		if !m.SaveConfig {
			return report(errors.New("--no-update is not compatible with --generate-registration: the tokens have to be saved in the config"), 5), true
		}
		err = m.WriteRegistration(m.ConfigPath, m.RegistrationPath)
		if err == nil {
			fmt.Println("Registration generated. Install it in the homeserver and restart that.")
		}
		return report(err, 20), true
	}
	m.ignore = ignored{database: *f.anyDatabase, tables: *f.anyTables, server: *f.anyServer}
	if err = m.CheckConfig(); err != nil {
		return report(fmt.Errorf("config %s: %w", m.ConfigPath, err), ExitInvalid), true
	}
	if m.SaveConfig { // only now: a config that is refused stays as it is
		if err = m.LoadConfigFile(m.ConfigPath, true); err != nil {
			return report(err, ExitConfig), true
		}
	}
	mxmain.LoadGlobalConfigEnv()
	return 0, false
}

// ignored are checks that the operator has switched off.
type ignored struct{ database, tables, server bool }

func report(err error, code int) int {
	if err == nil {
		return 0
	}
	complain(err)
	return code
}

func (m *Main) printVersion() int {
	type mautrixVersion struct{ Version, Commit string }
	err := json.NewEncoder(os.Stdout).Encode(struct {
		Name, URL, Version, Tag, Commit, BuildTime, OS, Arch string
		Mautrix                                              mautrixVersion
	}{m.Name, m.URL, m.Version, m.options.Tag, m.options.Commit, m.options.BuildTime, runtime.GOOS, runtime.GOARCH,
		mautrixVersion{mautrix.Version, mautrix.Commit}})
	return report(err, ExitStart)
}

// WriteExample writes the example config to a path, "-" for standard output. It
// overwrites nothing.
func (m *Main) WriteExample(path string) error {
	text := m.connector.exampleConfig()
	if path == "-" || path == "/dev/stdout" {
		_, err := fmt.Print(text)
		return err
	}
	err := writeNew(path, text)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s already exists, please remove it if you want to generate a new example", path)
	} else if err != nil {
		return fmt.Errorf("write example config: %w", err)
	}
	fmt.Println("Wrote example config to", path)
	return nil
}

// upgrader brings a config file to the form of the example.
func (m *Main) upgrader() configupgrade.BaseUpgrader {
	_, _, network := m.connector.GetConfig()
	return configupgrade.MergeUpgraders(m.connector.exampleConfig(), &configupgrade.ProxyUpgrader{Target: network, Prefix: []string{"network"}}, bridgeconfig.Upgrader)
}

// LoadConfigFile reads a config file and, with save, rewrites it with everything that the
// example has.
func (m *Main) LoadConfigFile(path string, save bool) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("config %s: %w", path, err)
	}
	if err = checkText(text, m.connector.config); err != nil {
		return fmt.Errorf("config %s: %w", path, config.Mask(err))
	}
	text, upgraded, err := configupgrade.Do(path, save, m.upgrader())
	if err != nil && !upgraded {
		return fmt.Errorf("config %s: %w", path, config.Mask(err))
	} else if err != nil {
		complain(fmt.Errorf("the config could not be rewritten: %w", config.Mask(err)))
	}
	var cfg bridgeconfig.Config
	if err = yaml.Unmarshal(text, &cfg); err != nil {
		return fmt.Errorf("config %s: %w", path, config.Mask(err))
	}
	if err = cfg.Network.Decode(m.connector.config); err != nil {
		return fmt.Errorf("config %s: network: %w", path, config.Mask(err))
	}
	cfg.Bridge.Backfill = cfg.Backfill
	if cfg.EnvConfigPrefix != "" {
		if err = mxmain.UpdateConfigFromEnv(&cfg, m.connector.config, cfg.EnvConfigPrefix); err != nil {
			return fmt.Errorf("config from environment: %w", config.Mask(err))
		}
	}
	m.Config = &cfg
	return nil
}

// Registration makes a registration for the loaded config, with new tokens, which it also
// puts into the config.
func (m *Main) Registration() *appservice.Registration {
	reg := m.Config.GenerateRegistration()
	aliases := regexp.MustCompile("^#" + homeserver.AliasPrefix + "[0-9a-f]+:" + regexp.QuoteMeta(m.Config.Homeserver.Domain) + "$")
	reg.Namespaces.RoomAliases.Register(aliases, true)
	return reg
}

// writeNew writes a file with secrets that must not be there yet (os.ErrExist).
func writeNew(path, text string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	if err = errors.Join(err, file.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}

// WriteRegistration writes a new registration file and its tokens into the config. It
// overwrites no other registration.
func (m *Main) WriteRegistration(configPath, path string) error {
	if m.Config.Homeserver.Domain == "example.com" {
		return errors.New("homeserver.domain is not set in the config")
	}
	if err := checkUsernames(m.Config.AppService.UsernameTemplate); err != nil {
		return err
	}
	reg := m.Registration()
	text, err := reg.YAML()
	if err == nil {
		err = writeNew(path, text)
	}
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s already exists; remove it if you want a registration with new tokens", path)
	} else if err != nil {
		return fmt.Errorf("save registration: %w", err)
	}
	tokens := configupgrade.SimpleUpgrader(func(helper configupgrade.Helper) {
		helper.Set(configupgrade.Str, reg.AppToken, "appservice", "as_token")
		helper.Set(configupgrade.Str, reg.ServerToken, "appservice", "hs_token")
	})
	if _, _, err = configupgrade.Do(configPath, true, m.upgrader(), tokens); err != nil {
		_ = os.Remove(path) // its tokens are nowhere else
		return fmt.Errorf("save tokens in config: %w", err)
	}
	return nil
}
