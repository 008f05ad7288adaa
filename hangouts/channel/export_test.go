package channel

import "time"

// ParseSession is for the vectors.
var ParseSession = parseSession

// Delays gives the delays of the first n retries in seconds.
func Delays(cfg Config, n int) []time.Duration {
	cfg = cfg.withDefaults()
	var list []time.Duration
	for i := range n {
		list = append(list, cfg.delay(i+1, 0)/time.Second)
	}
	return list
}

// ParseChunk gives how many entries and malformed ones a chunk has.
func ParseChunk(chunk []byte) (entries, malformed int) {
	list, malformed := parseChunk(chunk)
	for _, e := range list {
		parseWrapper(e.data)
	}
	return len(list), malformed
}
