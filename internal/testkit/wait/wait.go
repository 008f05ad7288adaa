// Package wait is how tests wait for conditions.
package wait

import (
	"testing"
	"time"
)

// Patience bounds every wait that names no other limit; it is long because machines are slow and shared.
const Patience = 2 * time.Minute

// tick is the pause between two looks.
const tick = 5 * time.Millisecond

// Until waits until cond holds, which is asked again and again in the caller's goroutine, and fails the test after
// Patience with what it waited for.
func Until(t testing.TB, what string, cond func() bool) {
	t.Helper()
	Within(t, Patience, what, cond)
}

// Within is Until with a limit of its own.
func Within(t testing.TB, limit time.Duration, what string, cond func() bool) {
	t.Helper()
	if !Holds(limit, cond) {
		t.Fatalf("waited %v in vain for %s", limit, what)
	}
}

// Holds waits likewise and says whether the condition came to hold.
func Holds(limit time.Duration, cond func() bool) bool {
	for deadline := time.Now().Add(limit); !cond(); time.Sleep(tick) {
		if time.Now().After(deadline) {
			return false
		}
	}
	return true
}
