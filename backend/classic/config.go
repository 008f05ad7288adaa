package classic

import (
	"cmp"
	_ "embed"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
)

// ConfigExample is the section "hangouts" of the config file with comments and defaults.
//
//go:embed example-config.yaml
var ConfigExample string

// Config is the section "hangouts" of the config file: where the service is.
type Config struct {
	BaseURL   string `yaml:"base_url"`
	Endpoints struct {
		Channel    string `yaml:"channel"`
		API        string `yaml:"api"`
		Upload     string `yaml:"upload"`
		Login      string `yaml:"login"`
		Token      string `yaml:"token"`
		OAuthLogin string `yaml:"oauth_login"`
		Merge      string `yaml:"merge"`
		Origin     string `yaml:"origin"`
	} `yaml:"endpoints"`
	TrustedHosts      []string `yaml:"trusted_hosts"`
	CookieDomain      string   `yaml:"cookie_domain"`
	APIKey            string   `yaml:"api_key"`
	OAuthClientID     string   `yaml:"oauth_client_id"`
	OAuthClientSecret string   `yaml:"oauth_client_secret"`
	Proxy             string   `yaml:"proxy"`
}

// Hangouts is the same in the words of the library.
func (c Config) Hangouts() hangouts.Config {
	e := c.Endpoints
	config := hangouts.Config{
		BaseURL: c.BaseURL,
		Endpoints: hangouts.Endpoints{Channel: e.Channel, API: e.API, Upload: e.Upload, Login: e.Login, Token: e.Token,
			OAuthLogin: e.OAuthLogin, Merge: e.Merge, Origin: e.Origin},
		CookieDomain: c.CookieDomain, APIKey: c.APIKey, Proxy: c.Proxy,
		OAuth: hangouts.OAuth{ClientID: c.OAuthClientID, ClientSecret: c.OAuthClientSecret},
	}
	if len(c.TrustedHosts) > 0 {
		config.TrustedHosts = c.TrustedHosts
	}
	return config
}

// Site is the address of the page on which a person logs in.
func (c *Config) Site() string {
	return cmp.Or(c.Endpoints.Origin, c.BaseURL, "https://hangouts.google.com")
}

// CodePage is the address of the page on which a person gets an authorization code; "" when
// the config does not say where that is.
func (c *Config) CodePage() string {
	page, err := hangouts.LoginURL(c.Hangouts())
	if err != nil {
		return ""
	}
	return page
}

// Validate checks the addresses.
func (c *Config) Validate() error {
	client, err := hangouts.New(c.Hangouts(), map[string]string{"SAPISID": "-"})
	if err != nil {
		return err
	}
	client.Close()
	return nil
}
