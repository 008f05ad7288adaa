package chat

// AccountStatus is the one word for how an account is doing.
type AccountStatus string

// Account statuses.
const (
	Connecting     AccountStatus = "connecting"      // or catching up; requests may get through
	Connected      AccountStatus = "connected"       // all that happened is known, pushes flow
	Disconnected   AccountStatus = "disconnected"    // trying again by itself
	BadCredentials AccountStatus = "bad_credentials" // needs a new login
)

// AccountState is an account's status with the reason that a person can read.
type AccountState struct {
	Status AccountStatus `json:"status"`
	Reason string        `json:"reason,omitempty"`
	Since  int64         `json:"since"` // µs
}
