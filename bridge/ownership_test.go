package bridge_test

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/wait"
)

const aaron = chat.PersonID("100000000000000000000") // of Mallory; before all others in every order

// mallorys is a world in which Alice uses Anna's account and Mallory, who is no
// administrator, Aaron's. Mallory is a guest in the rooms of Alice's conversations, with all
// power there, and in none of those conversations.
type mallorys struct {
	*world
	alice, mallory                          *mxclient.Client
	management, room, direct, group, unseen id.RoomID
}

func newMallorys(t *testing.T) *mallorys {
	t.Helper()
	w := &mallorys{world: newWorld(t)}
	w.network.AddPerson(aaron, "Aaron Abt")
	w.network.AddConversation("UgxUnseen", "Unseen", anna, carl)
	w.change = func(c *bridgeconfig.Config) {
		c.Bridge.Permissions["@mallory:"+domain] = &bridgeconfig.PermissionLevelUser
		c.Bridge.Permissions["@alice:"+domain] = &bridgeconfig.PermissionLevelUser
		c.Bridge.Relay.Enabled = true
		c.Provisioning.AllowMatrixAuth = true
		c.Provisioning.SharedSecret = strings.Repeat("s", 32)
		c.Provisioning.EnableSessionTransfers = true
	}
	w.start()
	w.alice, w.mallory = w.user("alice"), w.user("mallory")
	w.management = w.login(w.alice, anna)
	w.roomsMade(anna) // a later look at the members would take Mallory out
	w.room = w.login(w.mallory, aaron)
	w.network.Say(carl, direct, "in direct")
	w.network.Say(carl, group, "in group")
	w.network.Say(carl, "UgxUnseen", "unseen")
	w.direct, w.group, w.unseen = w.world.room("in direct"), w.world.room("in group"), w.world.room("unseen")
	for _, room := range []id.RoomID{w.direct, w.group} {
		w.alice.WaitText(room, "in")
		w.invite(room, w.mallory)
		_, err := w.main.Matrix.Bot.SetPowerLevel(t.Context(), room, w.mallory.UserID(), 99)
		require.NoError(t, err)
	}
	w.alice.WaitText(w.unseen, "unseen")
	w.alice.SendText(w.group, "!hangouts set-relay "+string(anna))
	w.waitNotice(w.group, "You don't have permission to manage the relay")
	portal, err := w.main.Bridge.GetPortalByMXID(t.Context(), w.group)
	require.NoError(t, err)
	require.NoError(t, portal.SetRelay(t.Context(), w.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(anna))))
	return w
}

// alices is everything of Alice's that nobody else may change.
func (w *mallorys) alices() (out []string) {
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	ctx := w.t.Context()
	login, err := w.main.Bridge.DB.UserLogin.GetByID(ctx, ids.MakeLoginID(anna))
	require.NoError(w.t, err)
	if login != nil {
		add("login of %s: %s", login.UserMXID, login.RemoteName)
	}
	cached := w.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(anna))
	add("login loaded: %t", cached != nil && cached.UserMXID == w.alice.UserID())
	session, ok := w.manager.Get(anna)
	add("account: %t", ok && session.Ready(ctx) == nil)
	add("grants: %v", w.grants(anna))
	quiet, set := w.network.DoNotDisturb(anna)
	add("quiet: %s %t", quiet, set)
	for _, sent := range w.network.Sends() {
		if sent.Account == anna {
			add("request: %s", sent.Request.Kind())
		}
	}
	portals, err := w.main.Bridge.DB.Portal.GetAllWithMXID(ctx)
	require.NoError(w.t, err)
	for _, portal := range portals {
		rows, err := w.main.Bridge.DB.UserPortal.GetAllForUserInPortal(ctx, w.alice.UserID(), portal.PortalKey)
		require.NoError(w.t, err)
		add("portal %s: %s %s relay %s rows %d", portal.PortalKey, portal.MXID, portal.Name, portal.RelayLoginID, len(rows))
	}
	for _, room := range []id.RoomID{w.management, w.direct, w.group, w.unseen} {
		add("in %s: %s %s %s", room, w.hs.Membership(room, w.alice.UserID()), w.hs.Membership(room, bot), w.hs.Membership(room, ghost(carl)))
		add("power in %s: %v", room, w.hs.State(room, "m.room.power_levels", "").Content.AsPowerLevels().Users)
	}
	for _, conversation := range []chat.ConversationID{direct, group, "UgxUnseen"} {
		add("said in %s: %v", conversation, w.texts(conversation))
	}
	person, err := w.main.Bridge.GetUserByMXID(ctx, w.alice.UserID())
	require.NoError(w.t, err)
	add("management room: %s, question: %t", person.ManagementRoom, w.question(w.alice.UserID()) != nil)
	slices.Sort(out)
	return out
}

// try is something that Mallory writes and what the bot answers.
type try struct{ where, text, says string }

const (
	notAdmin       = "limited to bridge administrators"
	notYours       = "This room is not one of your conversations."
	notThere       = "Login `"
	noSuchChat     = "Conversation `"
	noConversation = "You have no such conversation."
	unsupported    = "Hangouts does not support this command"
)

// judged says of every command how it could name what is Alice's, and what comes of it.
// "$A" is Alice's login, "$D", "$G" and "$U" are her rooms.
var judged = map[string][]try{
	"help":                {{"own", "help", "This is your management room"}, {"direct", "help", "This is a portal room"}},
	"cancel":              {{"own", "cancel", "No ongoing command"}},
	"list-logins":         {{"own", "list-logins", "(Aaron Abt) - `CONNECTED`"}},
	"login":               {{"own", "login token $A", "logged in by another Matrix user"}, {"direct", "login token $A", "Log in only in"}, {"group", "login cookies", "Log in only in"}},
	"relogin":             {{"own", "relogin $A token", notThere}, {"own", "relogin $A token " + string(aaron), notThere}, {"direct", "relogin $A token", notThere}, {"own", "relogin " + string(aaron) + " token $B", "another Google account"}},
	"logout":              {{"own", "logout $A", notThere}, {"direct", "logout $A", notThere}},
	"set-preferred-login": {{"own", "set-preferred-login $A", "only be ran in portal rooms"}, {"direct", "prefer $A", notYours}, {"group", "set-preferred-login " + string(aaron), notYours}},
	"set-relay":           {{"direct", "set-relay", notYours}, {"group", "set-relay", notYours}, {"group", "set-relay $A", notYours}},
	"unset-relay":         {{"group", "unset-relay", notYours}},
	"resolve-identifier":  {{"own", "resolve-identifier $A", "Found"}},
	"start-chat":          {{"own", "start-chat $A 1", "country code"}, {"own", "pm $A x", "not found"}},
	"create-group":        {{"direct", "create-group", notYours}, {"own", "create-group", "nobody here"}, {"own", "doin $D create-group $A", notYours}},
	"join":                {{"group", "join", notYours}, {"own", "join https://example.com/group/x", "does not accept this link"}},
	"easter-egg":          {{"group", "easter-egg ponies", notYours}},
	"do-not-disturb":      {{"own", "do-not-disturb $A 1", "Usage"}, {"direct", "do-not-disturb 1", "quiet for 1 hours"}},
	"search":              {{"own", "search $A x", "Nobody was found"}},
	"create-portal": {
		{"own", "create-portal $A UgxUnseen", noConversation}, {"own", "create-portal UgxUnseen", noConversation}, {"own", "create-portal " + string(aaron) + " UgxGroup", noConversation},
	},
	"open": {
		{"own", "open UgxUnseen", noConversation}, {"own", "open Family", noConversation}, {"direct", "open", noConversation}, {"group", "open UgxGroup", noConversation},
		{"own", "doin $G open", notYours},
	},
	"bridge": {
		{"own", "bridge $A UgxUnseen", notThere}, {"own", "bridge --overwrite UgxUnseen", noSuchChat}, {"own", "bridge --overwrite --ignore-permissions UgxGroup", noSuchChat},
		{"own", "bridge " + string(aaron) + " UgxDirect", noSuchChat}, {"direct", "bridge UgxDirect", notYours},
	},
	"id":                     {{"direct", "id", notYours}, {"group", "id", notYours}, {"own", "doin $D id", notYours}},
	"unbridge":               {{"direct", "unbridge", notYours}, {"group", "unbridge", notYours}, {"own", "doin $G unbridge", notYours}},
	"sync-portal":            {{"direct", "sync-portal", notYours}, {"group", "sync-portal", notYours}},
	"mute":                   {{"direct", "mute", notYours}, {"direct", "unmute", notYours}},
	"accept":                 {{"direct", "accept", notYours}},
	"decline":                {{"direct", "decline", notYours}},
	"leave":                  {{"group", "leave", notYours}, {"own", "doin $G leave", notYours}},
	"archive":                {{"direct", "archive", notYours}},
	"unarchive":              {{"direct", "unarchive", notYours}},
	"history":                {{"direct", "history", notYours}, {"direct", "history off", notYours}},
	"link":                   {{"group", "link", notYours}, {"group", "link on", notYours}},
	"rename":                 {{"group", "rename Mallory's", notYours}, {"own", "doin $G rename Mallory's", notYours}},
	"add":                    {{"group", "add " + string(aaron), notYours}},
	"remove":                 {{"group", "remove $A", notYours}},
	"delete-chat":            {{"direct", "delete-chat", notYours}},
	"block-user":             {{"direct", "block-user", "I cannot block people"}, {"direct", "unblock-user", "I cannot block people"}},
	"import-image-pack":      {{"own", "import-image-pack x", unsupported}},
	"filter":                 {{"own", "filter deny UgxUnseen", notAdmin}},
	"sudo":                   {{"own", "sudo @alice:" + domain + " logout $A", notAdmin}, {"own", "doas @alice:" + domain + " logout $A", notAdmin}},
	"doin":                   {{"own", "doin $U unbridge", notYours}, {"own", "run-in $D set-relay", notYours}, {"own", "doin !nowhere:x id", notYours}, {"own", "doin $D hello", "Unknown command"}},
	"set-management-room":    {{"own", "set-management-room", "already your management room"}, {"direct", "set-management-room", "This is a portal room"}},
	"delete-portal":          {{"direct", "delete-portal", notAdmin}, {"own", "doin $G delete-portal", notYours}},
	"delete-all-portals":     {{"own", "delete-all-portals", notAdmin}},
	"debug-register-push":    {{"own", "debug-register-push $A web x", notAdmin}},
	"debug-account-data":     {{"direct", "debug-account-data m.tag {}", notAdmin}},
	"debug-reset-network":    {{"own", "debug-reset-network", notAdmin}},
	"set-pl":                 {{"direct", "set-pl 100", notAdmin}, {"direct", "set-power-level @alice:" + domain + " 0", notAdmin}},
	"discard-megolm-session": {{"direct", "discard-megolm-session", notAdmin}},
	"login-matrix":           {{"own", "login-matrix x", "Failed to enable double puppeting"}, {"direct", "login-matrix x", "Log in only in"}},
	"logout-matrix":          {{"own", "logout-matrix", "double puppeting"}},
	"ping-matrix":            {{"own", "ping-matrix", "mallory"}},
	"version":                {{"own", "version", "hangouts-bridge"}},
	"send-anyway":            {{"own", "send-anyway x", "Usage"}, {"own", "doin $D send-anyway x", notYours}},
}

// commandNames are the commands of the bot, the framework's included.
func (w *world) commandNames() (names []string) {
	processor := reflect.ValueOf(w.main.Bridge.Commands).FieldByName("CommandProcessor").Elem().Elem()
	for _, key := range processor.FieldByName("handlers").MapKeys() {
		names = append(names, key.String())
	}
	return names
}

// No command changes another user's login, rooms or conversations. A command that a later
// framework brings fails here until it is judged.
func TestNoCommandTouchesWhatIsAnothers(t *testing.T) {
	w := newMallorys(t)
	names := w.commandNames()
	require.Greater(t, len(names), 30)
	words := reflect.ValueOf(w.main.Bridge.Commands).FieldByName("guard").Elem().FieldByName("commands")
	for _, name := range names {
		require.True(t, words.MapIndex(reflect.ValueOf(name)).IsValid(), "%s would be taken for an answer", name)
	}
	for name := range judged {
		require.Contains(t, names, name, "there is no such command any more")
	}
	before := w.alices()
	rooms := map[string]id.RoomID{"own": w.room, "direct": w.direct, "group": w.group}
	fill := strings.NewReplacer("$A", string(anna), "$B", string(bert), "$D", string(w.direct), "$G", string(w.group), "$U", string(w.unseen))
	for _, name := range names {
		tries, ok := judged[name]
		if !ok {
			t.Errorf("%s: this command is not judged", name)
		}
		for _, c := range tries {
			t.Run(c.where+" "+c.text, func(t *testing.T) {
				room := rooms[c.where]
				heard := len(w.notices(room))
				w.mallory.SendText(room, "!hangouts "+fill.Replace(c.text))
				w.eventually("an answer to "+c.text, func() bool {
					return slices.ContainsFunc(w.notices(room)[heard:], func(notice string) bool { return strings.Contains(notice, c.says) })
				})
				require.Equal(t, before, w.alices())
				for _, notice := range w.notices(room)[heard:] {
					require.NotContains(t, notice, "@alice", "nothing is said of her")
					require.NotContains(t, notice, "UgxGroup/", "nor of her conversations")
				}
			})
		}
	}
	require.Equal(t, before, w.alices())
}

// A conversation gets no room from which the bot could not take somebody out again.
func TestBridgeOnlyWhereTheBotHasMorePower(t *testing.T) {
	w := newWorld(t)
	w.change = func(c *bridgeconfig.Config) { c.Bridge.Permissions[domain] = &bridgeconfig.PermissionLevelUser }
	w.start()
	mallory := w.user("mallory")
	w.login(mallory, anna)
	w.network.Say(carl, group, "first")
	portal, err := w.main.Bridge.GetPortalByMXID(t.Context(), w.room("first"))
	require.NoError(t, err)
	bridge := func(version id.RoomVersion, users map[id.UserID]int, wants string) id.RoomID {
		room := mallory.CreateRoom(&mautrix.ReqCreateRoom{
			Invite: []id.UserID{bot}, RoomVersion: version, PowerLevelOverride: &event.PowerLevelsEventContent{Users: users},
		})
		w.eventually("the bot to join", func() bool { return w.hs.Membership(room, bot) == "join" })
		mallory.SendText(room, "!hangouts bridge --ignore-permissions "+string(group))
		w.waitNotice(room, wants)
		return room
	}
	const refused = "I need more power than everybody else"
	bridge(id.RoomV12, map[id.UserID]int{bot: 100}, refused) // its maker stands above all levels
	bridge(id.RoomV11, map[id.UserID]int{bot: 100, mallory.UserID(): 100}, refused)
	other := w.user("other") // the maker of a room need not be the one who writes to the bot
	others := other.CreateRoom(&mautrix.ReqCreateRoom{
		Invite: []id.UserID{bot, mallory.UserID()}, RoomVersion: id.RoomV12, PowerLevelOverride: &event.PowerLevelsEventContent{Users: map[id.UserID]int{bot: 100, mallory.UserID(): 50}},
	})
	w.eventually("the bot to join", func() bool { return w.hs.Membership(others, bot) == "join" })
	mallory.Join(others)
	mallory.SendText(others, "!hangouts bridge --ignore-permissions "+string(group))
	w.waitNotice(others, refused)
	require.NoError(t, portal.RemoveMXID(t.Context()))
	room := bridge(id.RoomV11, map[id.UserID]int{bot: 100, mallory.UserID(): 50}, "Successfully plumbed")
	require.Equal(t, room, portal.MXID)
}

// A login process never renews a login of another user, also when another user has begun it.
func TestLoginProcessOfAnothersLogin(t *testing.T) {
	w := newMallorys(t)
	mallory, err := w.main.Bridge.GetUserByMXID(t.Context(), w.mallory.UserID())
	require.NoError(t, err)
	for _, flow := range w.main.Bridge.Network.GetLoginFlows() {
		process, err := w.main.Bridge.Network.CreateLogin(t.Context(), mallory, flow.ID)
		require.NoError(t, err)
		_, err = process.(bridgev2.LoginProcessWithOverride).StartWithOverride(t.Context(), w.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(anna)))
		require.ErrorContains(t, err, "Login not found")
	}
}

// What somebody does in the room of another's conversation goes out as that other's only if
// the owner relays.
func TestNoEventTouchesWhatIsAnothers(t *testing.T) {
	w := newMallorys(t)
	before := w.alices()
	target := w.mallory.WaitText(w.direct, "in direct").ID
	for name, act := range map[string]func() id.EventID{
		"text": func() id.EventID { return w.mallory.SendText(w.direct, "as Alice?") },
		"reaction": func() id.EventID {
			return w.mallory.Send(w.direct, event.EventReaction, &event.ReactionEventContent{RelatesTo: event.RelatesTo{Type: event.RelAnnotation, EventID: target, Key: "x"}})
		},
		"name": func() id.EventID {
			return w.mallory.SetState(w.direct, event.StateRoomName, "", &event.RoomNameEventContent{Name: "Mallory's"})
		},
		"topic": func() id.EventID {
			return w.mallory.SetState(w.direct, event.StateTopic, "", &event.TopicEventContent{Topic: "Mallory's"})
		},
		"delete chat": func() id.EventID {
			return w.mallory.Send(w.direct, event.BeeperDeleteChat, &event.BeeperChatDeleteEventContent{DeleteForEveryone: true})
		},
	} {
		t.Run(name, func(t *testing.T) {
			act()
			heard := len(w.notices(w.direct))
			w.mallory.SendText(w.direct, "!hangouts list-logins") // the act has been handled when this is
			w.eventually("the answer", func() bool {
				return slices.ContainsFunc(w.notices(w.direct)[heard:], func(notice string) bool { return strings.Contains(notice, "Aaron") })
			})
			require.Equal(t, before, w.alices())
		})
	}
	w.mallory.MarkRead(w.direct, target)
	w.mallory.SetTyping(w.direct, wait.Patience)
	w.alice.SendText(w.direct, "mine")
	w.waitTexts(direct, "in direct", "mine")
	require.Empty(t, w.network.Marks())
	for _, typing := range w.network.Typings() {
		require.NotEqual(t, anna, typing.Person)
	}
	w.mallory.SendText(w.group, "by relay") // Alice's login relays in this room
	w.eventually("the relayed text", func() bool { return len(w.texts(group)) == 2 })
}
