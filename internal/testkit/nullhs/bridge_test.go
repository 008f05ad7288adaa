package nullhs_test

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.mau.fi/util/configupgrade"
	"go.mau.fi/util/dbutil"
	"gopkg.in/yaml.v3"
	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/bridgeconfig"
	"maunium.net/go/mautrix/bridgev2/commands"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/matrix"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/simplevent"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

// network is the smallest network connector: one chat "family" with the login and one other person.
type network struct {
	bridge *bridgev2.Bridge

	mu   sync.Mutex
	sent []string // what came from Matrix
}

func (n *network) Init(br *bridgev2.Bridge)    { n.bridge = br }
func (n *network) Start(context.Context) error { return nil }
func (n *network) GetName() bridgev2.BridgeName {
	return bridgev2.BridgeName{DisplayName: "Test", NetworkID: "test", BeeperBridgeType: "test"}
}
func (n *network) GetDBMetaTypes() database.MetaTypes { return database.MetaTypes{} }
func (n *network) GetCapabilities() *bridgev2.NetworkGeneralCapabilities {
	return &bridgev2.NetworkGeneralCapabilities{}
}
func (n *network) GetConfig() (string, any, configupgrade.Upgrader) { return "", nil, nil }
func (n *network) LoadUserLogin(_ context.Context, login *bridgev2.UserLogin) error {
	login.Client = &client{n, login}
	return nil
}
func (n *network) GetLoginFlows() []bridgev2.LoginFlow { return nil }
func (n *network) CreateLogin(context.Context, *bridgev2.User, string) (bridgev2.LoginProcess, error) {
	return nil, bridgev2.ErrInvalidLoginFlowID
}
func (n *network) GetBridgeInfoVersion() (int, int) { return 1, 1 }

func (n *network) texts() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return append([]string(nil), n.sent...)
}

type client struct {
	network *network
	login   *bridgev2.UserLogin
}

func (c *client) Connect(context.Context)                               {}
func (c *client) Disconnect()                                           {}
func (c *client) IsLoggedIn() bool                                      { return true }
func (c *client) LogoutRemote(context.Context)                          {}
func (c *client) IsThisUser(_ context.Context, u networkid.UserID) bool { return u == "100" }
func (c *client) GetChatInfo(context.Context, *bridgev2.Portal) (*bridgev2.ChatInfo, error) {
	name, group := "Family", database.RoomTypeDefault
	return &bridgev2.ChatInfo{Name: &name, Type: &group, Members: &bridgev2.ChatMemberList{IsFull: true,
		MemberMap: map[networkid.UserID]bridgev2.ChatMember{
			"100": {EventSender: bridgev2.EventSender{IsFromMe: true, Sender: "100", SenderLogin: c.login.ID}, Membership: event.MembershipJoin},
			"200": {EventSender: bridgev2.EventSender{Sender: "200"}, Membership: event.MembershipJoin},
		}}}, nil
}
func (c *client) GetUserInfo(_ context.Context, g *bridgev2.Ghost) (*bridgev2.UserInfo, error) {
	name := "Person " + string(g.ID)
	return &bridgev2.UserInfo{Name: &name}, nil
}
func (c *client) GetCapabilities(context.Context, *bridgev2.Portal) *event.RoomFeatures {
	return &event.RoomFeatures{ID: "test"}
}
func (c *client) HandleMatrixMessage(_ context.Context, msg *bridgev2.MatrixMessage) (*bridgev2.MatrixMessageResponse, error) {
	c.network.mu.Lock()
	defer c.network.mu.Unlock()
	c.network.sent = append(c.network.sent, msg.Content.Body)
	return &bridgev2.MatrixMessageResponse{DB: &database.Message{ID: networkid.MessageID(fmt.Sprint("out", len(c.network.sent))), SenderID: "100"}}, nil
}

// say is a message of the other person.
func (c *client) say(text string) bridgev2.EventHandlingResult {
	return c.login.QueueRemoteEvent(&simplevent.PreConvertedMessage{
		EventMeta: simplevent.EventMeta{
			Type: bridgev2.RemoteEventMessage, PortalKey: networkid.PortalKey{ID: "family"}, CreatePortal: true,
			Sender: bridgev2.EventSender{Sender: "200"}, Timestamp: time.UnixMilli(1500000000000),
		},
		ID: networkid.MessageID(text),
		Data: &bridgev2.ConvertedMessage{Parts: []*bridgev2.ConvertedMessagePart{{
			Type: event.EventMessage, Content: &event.MessageEventContent{MsgType: event.MsgText, Body: text}}}},
	})
}

const bridgeConfig = `
homeserver: {address: %q, domain: test.localhost, software: standard, retry_limit: 1}
appservice:
  {address: "http://%s", hostname: 127.0.0.1, port: %d, id: test, as_token: as, hs_token: hs, username_template: "test_{{.}}",
   ephemeral_events: true, bot: {username: testbot, displayname: Test bot}}
bridge: {command_prefix: "!test", portal_event_buffer: 0, permissions: {"*": admin}}
matrix: {federate_rooms: false}
double_puppet: {secrets: {test.localhost: "as_token:double"}}
`

// startBridge runs the real Matrix connector against hs with alice logged in.
func startBridge(t *testing.T, hs *nullhs.Server, alice id.UserID) (*network, *client) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	addr := listener.Addr().(*net.TCPAddr)
	require.NoError(t, listener.Close())
	var cfg bridgeconfig.Config
	require.NoError(t, yaml.Unmarshal(fmt.Appendf(nil, bridgeConfig, hs.URL(), addr, addr.Port), &cfg))
	reg := cfg.GenerateRegistration()
	require.NoError(t, hs.AddRegistration(reg))
	require.NoError(t, hs.AddRegistration(&appservice.Registration{ID: "double", AppToken: "double", SenderLocalpart: "doublebot",
		Namespaces: appservice.Namespaces{UserIDs: appservice.NamespaceList{{Regex: `@.*:test\.localhost`}}}}))

	db, err := dbutil.NewFromConfig("test", dbutil.Config{PoolConfig: dbutil.PoolConfig{
		Type: "sqlite3-fk-wal", URI: "file:" + t.TempDir() + "/bridge.db?_txlock=immediate", MaxOpenConns: 1}}, dbutil.NoopLogger)
	require.NoError(t, err)
	n := &network{}
	log := zerolog.New(zerolog.NewTestWriter(t)).Level(zerolog.WarnLevel)
	br := bridgev2.NewBridge("", db, log, &cfg.Bridge, matrix.NewConnector(&cfg), n, commands.NewProcessor)
	ctx := log.WithContext(context.Background())
	require.NoError(t, br.Start(ctx))
	t.Cleanup(br.Stop)
	user, err := br.GetUserByMXID(ctx, alice)
	require.NoError(t, err)
	login, err := user.NewLogin(ctx, &database.UserLogin{ID: "100"}, nil)
	require.NoError(t, err)
	return n, login.Client.(*client)
}

// The real Matrix connector of a bridge works against this server: start with ping, room creation with members and
// double puppet, messages both ways, a repeat, commands.
func TestRealConnector(t *testing.T) {
	hs := nullhs.Start(t, nullhs.Options{})
	alice := mxclient.New(t, hs, "alice")
	n, c := startBridge(t, hs, alice.UserID())

	require.True(t, c.say("hello").Success)
	room := alice.WaitRoom("Family")
	alice.WaitFor("being joined by the double puppet", func() bool { return alice.Members(room)[alice.UserID()] == event.MembershipJoin })
	said := alice.WaitText(room, "hello")
	require.Equal(t, id.UserID("@test_200:test.localhost"), said.Sender)
	require.EqualValues(t, 1500000000000, said.Timestamp)
	require.Equal(t, "Person 200", hs.State(room, "m.room.member", "@test_200:test.localhost").Content.AsMember().Displayname)

	for i := range 20 {
		alice.SendText(room, fmt.Sprint("answer ", i))
	}
	alice.WaitFor("all answers on the network", func() bool { return len(n.texts()) == 20 })
	for i, text := range n.texts() {
		require.Equal(t, fmt.Sprint("answer ", i), text)
	}

	sends := hs.Sends()
	require.True(t, c.say("hello").Success, "a repeat is ignored by the bridge")
	require.Equal(t, sends, hs.Sends())

	dm := alice.CreateDM("@testbot:test.localhost")
	alice.WaitFor("the bot", func() bool { return alice.Members(dm)["@testbot:test.localhost"] == event.MembershipJoin })
	alice.SendText(dm, "help")
	alice.WaitText(dm, "login")

	unknown := hs.Requests(func(r nullhs.Request) bool { return r.Route == "unknown" || r.Status >= 500 })
	require.Empty(t, unknown, "the connector asks for nothing that the server does not know")
}

// What the homeserver refuses for a while arrives once it accepts again.
func TestRealConnectorRetries(t *testing.T) {
	hs := nullhs.Start(t, nullhs.Options{})
	alice := mxclient.New(t, hs, "alice")
	_, c := startBridge(t, hs, alice.UserID())
	require.True(t, c.say("first").Success)
	room := alice.WaitRoom("Family")

	hs.Inject(nullhs.Fault{Path: "/send/", User: "@test_200:test.localhost", Status: 500, Times: 2})
	result := c.say("second")
	require.False(t, result.Success)
	for attempt := 0; !result.Success && attempt < 3; attempt++ {
		require.ErrorContains(t, result.Error, "HTTP 500")
		result = c.say("second")
	}
	require.True(t, result.Success)
	alice.WaitText(room, "second")
	require.Equal(t, 1, strings.Count(strings.Join(alice.Texts(room), "\n"), "second"))
}
