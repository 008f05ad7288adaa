package ids

import (
	"encoding/json"
	"maps"
	"sync/atomic"
)

// copied is a map that is read while it is changed: each change stores a copy.
type copied[K comparable, V any] struct {
	now atomic.Pointer[map[K]V]
}

// All returns the map as it is now. It must not be changed.
func (c *copied[K, V]) All() map[K]V {
	if now := c.now.Load(); now != nil {
		return *now
	}
	return nil
}

// copy returns a map to change and store. No two changes may run at once.
func (c *copied[K, V]) copy() map[K]V {
	if next := maps.Clone(c.All()); next != nil {
		return next
	}
	return map[K]V{}
}

// IsZero reports whether the map is empty.
func (c *copied[K, V]) IsZero() bool { return len(c.All()) == 0 }

// MarshalJSON writes the map as an object.
func (c *copied[K, V]) MarshalJSON() ([]byte, error) { return json.Marshal(c.All()) }

// UnmarshalJSON reads what MarshalJSON has written.
func (c *copied[K, V]) UnmarshalJSON(data []byte) error {
	var next map[K]V
	err := json.Unmarshal(data, &next)
	c.now.Store(&next)
	return err
}
