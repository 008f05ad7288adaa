package layers

import "strings"

// trees is a set of folders; a package belongs to it when it is one of them or lies below one of them.
type trees []string

func (t trees) has(pkg string) bool {
	for _, tree := range t {
		if pkg == tree || strings.HasPrefix(pkg, tree+"/") {
			return true
		}
	}
	return false
}

// rule forbids dependencies to the packages of `of`. With `only`, everything of the module outside `of` and `only` is
// forbidden; otherwise what lies in `not`, less `allow`.
type rule struct {
	of, except trees
	only       trees
	onlyOwn    bool // `only` applies even though it is empty
	not        trees
	notExact   []string // single packages, without what lies below them
	direct     bool     // only imports without a third package between
	allow      trees
	reason     string
}

func (r rule) forbids(dep string) bool {
	if r.allow.has(dep) {
		return false
	}
	if r.onlyOwn || len(r.only) > 0 {
		return !r.of.has(dep) && !r.only.has(dep)
	}
	for _, exact := range r.notExact {
		if dep == exact {
			return true
		}
	}
	return r.not.has(dep)
}

// meetingPoints may depend on both account and hangouts.
var meetingPoints = trees{"backend/classic", "cmd", "e2e", "internal/testkit"}

// rules are those of the design's layers, one line each.
var rules = []rule{
	{of: trees{"chat"}, onlyOwn: true, reason: "chat is the shared vocabulary and imports nothing of ours"},
	{of: trees{"database"}, only: trees{"chat"}, reason: "database knows only chat"},
	{of: trees{"account"}, only: trees{"chat", "database"}, reason: "account knows only chat and database"},
	{of: trees{"hangouts"}, onlyOwn: true, reason: "hangouts is usable on its own"},
	{of: trees{"media"}, onlyOwn: true, reason: "media knows files, neither networks nor sides"},
	{of: trees{"homeserver"}, only: trees{"database", "chat", "media"}, reason: "of ours, homeserver imports database and media only"},
	{of: trees{"homeserver"}, not: trees{"chat"}, direct: true, reason: "homeserver knows rooms and events, not what they mean"},
	{of: trees{"chat", "account", "bridge", "homeserver", "portal", "puppet", "irc", "database"}, not: trees{"hangouts", "backend"},
		reason: "nothing above the account layer knows the wire protocol or a back end"},
	{of: trees{"bridge", "portal", "puppet"}, not: trees{"irc"}, reason: "the Matrix side does not know the IRC side"},
	{of: trees{"irc"}, not: trees{"bridge", "homeserver", "portal", "puppet"}, reason: "the IRC side does not know the Matrix side"},
	{of: trees{"puppet"}, not: trees{"portal"}, reason: "portal may import puppet, never the reverse"},
	{of: trees{"portal", "puppet"}, not: trees{"bridge", "homeserver"}, allow: trees{"bridge/ids"},
		reason: "of the bridge, portal and puppet know only bridge/ids"},
	{of: trees{"bridge/ids"}, not: trees{"bridge", "portal", "puppet"}, allow: trees{"bridge/ids"},
		reason: "bridge/ids lies below the Matrix side"},
	{of: trees{"hangouts/hangoutstest"}, not: trees{"hangouts/channel"}, notExact: []string{"hangouts"},
		reason: "the test server must not share the client's code"},
	{of: trees{"hangouts"}, except: trees{"hangouts/hangoutstest"}, not: trees{"hangouts/hangoutstest"},
		reason: "the library does not carry its test server"},
	{of: trees{"chat", "account", "bridge", "homeserver", "portal", "puppet", "irc", "database", "media", "backend", "hangouts"},
		not: trees{"e2e", "internal", "cmd"}, reason: "the layers do not depend on the wiring and on test fixtures"},
	{of: trees{"cmd"}, not: trees{"e2e", "internal/testkit"}, reason: "the program does not depend on test fixtures"},
	{of: trees{"internal"}, not: trees{"e2e"}, reason: "test fixtures do not depend on the tests"},
}
