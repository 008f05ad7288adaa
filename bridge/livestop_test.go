package bridge

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// At the end, what runs is waited for, and nothing else begins.
func TestTasksAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, finished := newLive(), false
		l.do("room", "shape", func() {
			time.Sleep(time.Second)
			finished = true
		})
		synctest.Wait()
		refused := func() { t.Error("a task began after the end") }
		l.do("room", "info", refused)
		l.stop()
		require.True(t, finished)
		l.do("room", "shape", refused)
		l.do("another room", "shape", refused)
	})
}

// A task that does not end keeps nothing from ending for long.
func TestATaskThatDoesNotEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, end := newLive(), make(chan struct{})
		l.do("room", "shape", func() { <-end })
		synctest.Wait()
		began := time.Now()
		l.stop()
		require.Equal(t, stopGrace, time.Since(began))
		close(end)
	})
}

// Of what waits for a subject, the latest of each kind is run, in the order of the kinds.
func TestTheLatestTaskIsRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, begin := newLive(), make(chan struct{})
		var ran []string
		task := func(name string) func() { return func() { ran = append(ran, name) } }
		l.do("room", "shape", func() { <-begin })
		synctest.Wait()
		l.do("room", "shape", task("shape 1"))
		l.do("room", "info", task("info 1"))
		l.do("room", "shape", task("shape 2"))
		other := false
		l.do("another room", "shape", func() { other = true })
		synctest.Wait()
		require.True(t, other, "one subject does not wait for another")
		close(begin)
		synctest.Wait()
		require.Equal(t, []string{"shape 2", "info 1"}, ran)
	})
}
