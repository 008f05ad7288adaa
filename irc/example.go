package irc

import _ "embed"

// ConfigExample is the section "irc" of the config file with comments and defaults.
//
//go:embed example-config.yaml
var ConfigExample string
