package config

import (
	"fmt"
	"os"

	"go.mau.fi/util/dbutil"
	"go.mau.fi/zeroconfig"
	"gopkg.in/yaml.v3"
)

// File is what a bridge without Matrix reads of the config file.
type File struct {
	Network  *Config           `yaml:"network"`
	Database dbutil.Config     `yaml:"database"`
	Logging  zeroconfig.Config `yaml:"logging"`
}

// LoadFile reads a config file and validates the section "network:"; keys that are
// missing have their defaults. It writes nothing.
func LoadFile(path string, sections ...Section) (*File, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	file := &File{Network: Default(sections...)}
	if err = yaml.Unmarshal(text, file); err != nil {
		return nil, fmt.Errorf("read config %s: %w", path, Mask(err))
	}
	if file.Network == nil {
		file.Network = Default(sections...)
	}
	if err = file.Network.Validate(); err != nil {
		return nil, err
	}
	return file, nil
}
