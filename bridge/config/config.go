// Package config is the project's own part of the config file: everything below
// "network:". It knows nothing of Matrix libraries, so that a bridge without Matrix reads
// the same file with it (LoadFile).
package config

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
	"text/template"

	"gopkg.in/yaml.v3"

	"github.com/hangouts-bridge/hangouts-bridge/chat"
)

// Example is the section as it stands in an example config, with comments and defaults.
//
//go:embed example-config.yaml
var Example string

// Config is the section "network:".
type Config struct {
	DisplaynameTemplate string `yaml:"displayname_template"`
	InitialChatSync     int    `yaml:"initial_chat_sync"`
	CreateOnMessage     bool   `yaml:"create_on_message"`
	LeaveOnLogout       bool   `yaml:"leave_on_logout"`
	EditsAsMessages     bool   `yaml:"edits_as_messages"`
	OnRoomLeft          string `yaml:"on_room_left"`
	OnConversationLeft  string `yaml:"on_conversation_left"`
	MaxFileSize         int    `yaml:"max_file_size"` // MiB
	FileTimeout         int    `yaml:"file_timeout"`  // seconds

	displayname *template.Template
	sections    []Section
}

// Values of OnRoomLeft and OnConversationLeft.
const (
	Hide  = "hide"  // the conversation stays, its room does not come back by itself
	Keep  = "keep"  // the room stays to read
	Leave = "leave" // the other one is left, too
)

// ErrInvalid is wrapped by the errors of Validate; their text names the key and does not quote the
// value, which may be a secret that stands in the wrong place.
var ErrInvalid = errors.New("invalid config")

const (
	maxFileSize    = 4096 // MiB
	maxFileTimeout = 120  // seconds: the sender of a file waits that long, and then for the network
)

var errTemplate = fmt.Errorf("%w: network.displayname_template is not a template with {{.Name}}, {{.First}}, {{.Full}} or {{.ID}}", ErrInvalid)

// nameFields is what displayname_template can use.
type nameFields struct {
	Name  string // the best name
	First string // the first name or the first word of it
	Full  string
	ID    string
}

func fields(p chat.Person) nameFields {
	return nameFields{Name: p.DisplayName(), First: p.ShortName(), Full: p.FullName, ID: string(p.ID)}
}

// Default is the section with every key at its default; sections are those of other
// parts of the program.
func Default(sections ...Section) *Config {
	c := &Config{sections: sections}
	if err := yaml.Unmarshal([]byte(c.ExampleText()), c); err != nil {
		panic(err) // the embedded text is tested
	}
	if err := c.Validate(); err != nil {
		panic(err)
	}
	return c
}

// Validate checks the values and prepares the templates. It has to be called once after
// reading.
func (c *Config) Validate() error {
	parsed, err := template.New("displayname_template").Option("missingkey=error").Parse(c.DisplaynameTemplate)
	if err != nil {
		return errTemplate
	}
	probe := chat.Person{ID: "1", FullName: "Ada Lovelace", FirstName: "Ada"}
	var out strings.Builder
	if err = parsed.Execute(&out, fields(probe)); err != nil {
		return errTemplate
	}
	if strings.TrimSpace(out.String()) == "" {
		return fmt.Errorf("%w: network.displayname_template makes empty names", ErrInvalid)
	}
	if c.InitialChatSync < 0 {
		return fmt.Errorf("%w: network.initial_chat_sync must not be negative", ErrInvalid)
	}
	if c.OnRoomLeft != Hide && c.OnRoomLeft != Leave {
		return fmt.Errorf("%w: network.on_room_left must be hide or leave", ErrInvalid)
	}
	if c.OnConversationLeft != Keep && c.OnConversationLeft != Leave {
		return fmt.Errorf("%w: network.on_conversation_left must be keep or leave", ErrInvalid)
	}
	if c.MaxFileSize < 1 || c.MaxFileSize > maxFileSize {
		return fmt.Errorf("%w: network.max_file_size must be from 1 to %d (MiB)", ErrInvalid, maxFileSize)
	}
	if c.FileTimeout < 1 || c.FileTimeout > maxFileTimeout {
		return fmt.Errorf("%w: network.file_timeout must be from 1 to %d (seconds)", ErrInvalid, maxFileTimeout)
	}
	for _, s := range c.sections {
		if s.Validate == nil {
			continue
		}
		if err = s.Validate(); err != nil {
			return fmt.Errorf("%w: network.%s: %w", ErrInvalid, s.Name, err)
		}
	}
	c.displayname = parsed
	return nil
}

// Displayname is what a person's ghost is called.
func (c *Config) Displayname(p chat.Person) string {
	var out strings.Builder
	if c.displayname == nil || c.displayname.Execute(&out, fields(p)) != nil {
		return p.DisplayName()
	}
	return strings.TrimSpace(out.String())
}
