package pblitetest

import (
	"math"
	"time"
)

// Ratio says how many times longer reference takes than own. Both run by turns and the best
// turn of each counts, so that other work on the machine disturbs it little.
func Ratio(own, reference func()) float64 {
	a, b := math.Inf(1), math.Inf(1)
	for range 150 {
		a, b = min(a, PerCall(own, 2*time.Millisecond)), min(b, PerCall(reference, 2*time.Millisecond))
	}
	return b / a
}

// PerCall is the time of one call in ns, over at least a while.
func PerCall(f func(), while time.Duration) float64 {
	start, n := time.Now(), 0
	for n == 0 || time.Since(start) < while {
		f()
		n++
	}
	return float64(time.Since(start).Nanoseconds()) / float64(n)
}

// Best is the time of one call in ns in the best of many short turns.
func Best(f func()) float64 {
	best := math.Inf(1)
	for range 150 {
		best = min(best, PerCall(f, 2*time.Millisecond))
	}
	return best
}
