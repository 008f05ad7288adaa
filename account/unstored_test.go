package account_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A push that cannot be stored takes those behind it with it, also those that were already on
// their way into the database. The next catch-ups bring all, in order.
func TestAPushThatCannotBeStoredTakesTheRestWithIt(t *testing.T) {
	b := newBench(t)
	r := &reader{}
	s := b.login(anna)
	b.attach(s, r, "a")
	b.net.Say(bob, duo, "before")
	b.expect(r, duo, "before")
	allow := b.refuse("INSERT ON log WHEN NEW.payload LIKE '%refused%'")
	runs := b.net.Runs(anna)
	begun, release := make(chan struct{}), make(chan struct{})
	b.db.WriteLater(context.Background(), func(context.Context) error {
		close(begun)
		<-release
		return nil
	}, func(error) {})
	<-begun
	b.net.Say(bob, duo, "refused")
	b.net.Say(bob, duo, "behind it")
	b.net.Say(bob, trio, "elsewhere")
	b.net.Type(bob, duo, started)
	eventually(t, func() bool { return len(r.typed(bob)) > 0 }, "all pushes have been taken")
	close(release)
	eventually(t, func() bool { return strings.Contains(s.State().Reason, "catching up failed") }, "the catch-up cannot store it either")
	require.Equal(t, runs, b.net.Runs(anna), "the connection is not to blame")
	require.Len(t, b.logged(duo), 1)
	require.Empty(t, b.logged(trio))
	allow()
	b.expect(r, duo, "before", "refused", "behind it")
	b.expect(r, trio, "elsewhere")
}
