package homeserver

import (
	"encoding/json"

	"maunium.net/go/mautrix/id"
)

// keyCounts are the fields of a transaction with the number of one-time keys that the homeserver
// has, by user and device.
var keyCounts = []string{"device_one_time_keys_count", "org.matrix.msc3202.device_one_time_keys_count"}

// ownKeyCounts leaves in a transaction the counts of the bot's devices that encrypt. The
// homeserver also counts for the device that each ghost and the bot have for their sends.
// mautrix: crypto/machine.go HandleOTKCounts warns of each, until it passes others by silently.
func ownKeyCounts(rest map[string]json.RawMessage, bot id.UserID) {
	for _, field := range keyCounts {
		var counts map[id.UserID]map[id.DeviceID]json.RawMessage
		if rest[field] == nil || json.Unmarshal(rest[field], &counts) != nil {
			continue // what cannot be read is the framework's to refuse
		}
		own := counts[bot]
		delete(own, deviceID)
		delete(rest, field)
		if len(own) == 0 {
			continue
		}
		if kept, err := json.Marshal(map[id.UserID]any{bot: own}); err == nil {
			rest[field] = kept
		}
	}
}
