package main

import (
	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/backend/classic"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/irc"
)

// settings are the parts of the config file that the Matrix side does not know.
type settings struct {
	hangouts classic.Config
	accounts account.Config
	irc      ircSettings
}

// ircSettings is the section "irc".
type ircSettings struct {
	Enabled    bool `yaml:"enabled"`
	irc.Config `yaml:",inline"`
}

func (s *ircSettings) validate() error {
	_, err := s.WithDefaults()
	return err
}

// sections are the places of the settings in the config file.
func (s *settings) sections() []config.Section {
	return []config.Section{
		{Name: "hangouts", Comment: "Where Hangouts is.", Example: classic.ConfigExample, Value: &s.hangouts, Validate: s.hangouts.Validate},
		{Name: "accounts", Comment: "Keeping accounts connected and their messages safe.", Example: account.ConfigExample, Value: &s.accounts, Validate: s.accounts.Validate},
		{Name: "irc", Comment: "The IRC server.", Example: irc.ConfigExample, Value: &s.irc, Validate: s.irc.validate},
	}
}
