package account

import (
	_ "embed"
	"errors"
	"time"
)

// ConfigExample is the section "accounts" of the config file with comments and defaults.
//
//go:embed example-config.yaml
var ConfigExample string

// Config is the section "accounts" of the config file.
type Config struct {
	SendWait     time.Duration `yaml:"send_wait"`
	DoubtDelay   time.Duration `yaml:"doubt_delay"`
	CatchupEvery time.Duration `yaml:"catchup_every"`
	HistoryKeep  time.Duration `yaml:"history_keep"`
}

// Limits of Config: past five minutes a Matrix handler is left and order is gone.
const (
	minSendWait = 5 * time.Second
	maxSendWait = 4 * time.Minute
)

// Validate checks the values.
func (c *Config) Validate() error {
	switch {
	case c.SendWait < minSendWait || c.SendWait > maxSendWait:
		return errors.New("send_wait must be between 5s and 4m")
	case c.DoubtDelay < 0 || c.DoubtDelay > c.SendWait:
		return errors.New("doubt_delay must be between 0 and send_wait")
	case c.CatchupEvery < 10*time.Second:
		return errors.New("catchup_every must be at least 10s")
	case c.HistoryKeep < 0:
		return errors.New("history_keep must not be negative")
	}
	return nil
}

// Options are the timings of a Manager that the file decides.
func (c *Config) Options() Options {
	keep := c.HistoryKeep
	if keep == 0 {
		keep = time.Nanosecond // until acknowledged
	}
	return Options{SendWait: c.SendWait, DoubtDelay: c.DoubtDelay, CatchupEvery: c.CatchupEvery, HistoryKeep: keep}
}
