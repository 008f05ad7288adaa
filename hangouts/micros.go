package hangouts

import (
	"math"
	"time"
)

// FromMicros converts a time of the protocol, microseconds since 1970-01-01 UTC.
func FromMicros(us uint64) time.Time {
	return time.UnixMicro(int64(min(us, math.MaxInt64))).UTC()
}

// ToMicros converts a time to microseconds since 1970-01-01 UTC; times before that give 0.
func ToMicros(t time.Time) uint64 { return uint64(max(t.UnixMicro(), 0)) }
