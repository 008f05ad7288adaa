package homeserver

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Synapse cannot reach the bridge again and again, while somebody writes. Each time it goes
// over from repeating to pushing it may push an event before an earlier one.
func TestSynapseOvertakesItself(t *testing.T) {
	w := newWorld(t)
	outages, _ := strconv.Atoi(os.Getenv("OUTAGES"))
	if outages == 0 {
		outages = 6
	}
	stop, done := make(chan struct{}), make(chan []string)
	var said atomic.Int64
	go func() {
		var want []string
		for n := 0; ; n++ {
			select {
			case <-stop:
				done <- want
				return
			case <-time.After(20 * time.Millisecond):
				want = append(want, fmt.Sprintf("m%d", n))
				w.say(want[n])
				said.Store(int64(n))
			}
		}
	}()
	for range outages {
		w.link.Refuse(502, 300*time.Millisecond)
		for range 2 { // the first comes while Synapse repeats, the second when it pushes directly
			w.wait(fmt.Sprintf("m%d", said.Load()+30))
		}
	}
	close(stop)
	want := <-done
	w.wait(want[len(want)-1])
	require.Equal(t, want, w.texts())
}
