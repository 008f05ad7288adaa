package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"go.mau.fi/util/configupgrade"
	"maunium.net/go/mautrix/bridgev2"
	"maunium.net/go/mautrix/bridgev2/database"
	"maunium.net/go/mautrix/bridgev2/matrix/mxmain"
	"maunium.net/go/mautrix/bridgev2/networkid"
	"maunium.net/go/mautrix/bridgev2/simplevent"
	"maunium.net/go/mautrix/bridgev2/status"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// bareRole is the role of proc.Child in which the test binary is a bridge that does nothing but hand events to
// bridgev2: no log, no exactly once, no push channel. It is tuned as ours is. It sends what bareTask says and ends.
const bareRole = "bare-bridgev2"

// bareVariable carries the bareTask to the child, as JSON.
const bareVariable = "BENCH_BARE_TASK"

// bareTask is one run: each room gets Messages messages from one ghost, all rooms at once.
type bareTask struct {
	Config          string
	User            id.UserID
	Rooms, Messages int
}

// bareResult is what the child prints on its last line.
type bareResult struct {
	Seconds, CPUMillis float64
}

const (
	bareLogin = networkid.UserLoginID("bare")
	bareGhost = networkid.UserID("900000000000000000001")
)

func bareMain() int {
	var task bareTask
	if err := json.Unmarshal([]byte(os.Getenv(bareVariable)), &task); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	os.Args = []string{bareRole, "-n", "-c", task.Config}
	connector := &bareConnector{task: task}
	main := mxmain.BridgeMain{Name: bareRole, Description: bareRole, URL: "https://example.org", Version: "1", Connector: connector}
	main.PostInit = func() {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 64
		main.Matrix.AS.HTTPClient.Transport = transport
	}
	main.InitVersion("", "", "")
	main.Run() // until the connector ends the process
	return 1
}

type bareConnector struct {
	task   bareTask
	bridge *bridgev2.Bridge
}

func (c *bareConnector) Init(bridge *bridgev2.Bridge) { c.bridge = bridge }

// Start makes the login in a first run, which ends with that: bridgev2 is faster with a login that it has loaded.
func (c *bareConnector) Start(ctx context.Context) error {
	user, err := c.bridge.GetUserByMXID(ctx, c.task.User)
	if err != nil || user.GetDefaultLogin() != nil {
		return err
	}
	if _, err = user.NewLogin(ctx, &database.UserLogin{ID: bareLogin, RemoteName: bareRole}, nil); err == nil {
		os.Exit(0)
	}
	return err
}

func (c *bareConnector) GetName() bridgev2.BridgeName {
	return bridgev2.BridgeName{DisplayName: "Bare", NetworkID: "bare", BeeperBridgeType: "bare", DefaultPort: 29999, DefaultCommandPrefix: "!bare"}
}

func (c *bareConnector) GetDBMetaTypes() database.MetaTypes { return database.MetaTypes{} }

func (c *bareConnector) GetCapabilities() *bridgev2.NetworkGeneralCapabilities {
	return &bridgev2.NetworkGeneralCapabilities{}
}

func (c *bareConnector) GetConfig() (string, any, configupgrade.Upgrader) {
	return "", nil, configupgrade.NoopUpgrader
}

func (c *bareConnector) GetLoginFlows() []bridgev2.LoginFlow { return nil }

func (c *bareConnector) CreateLogin(context.Context, *bridgev2.User, string) (bridgev2.LoginProcess, error) {
	return nil, bridgev2.ErrInvalidLoginFlowID
}

func (c *bareConnector) GetBridgeInfoVersion() (info, capabilities int) { return 1, 1 }

func (c *bareConnector) LoadUserLogin(_ context.Context, login *bridgev2.UserLogin) error {
	login.Client = &bareClient{connector: c, login: login}
	return nil
}

// bareClient sends what the task says as soon as it is connected.
type bareClient struct {
	connector *bareConnector
	login     *bridgev2.UserLogin
}

func (c *bareClient) Connect(context.Context) {
	c.login.BridgeState.Send(status.BridgeState{StateEvent: status.StateConnected})
	go c.run()
}

func (c *bareClient) Disconnect()                                              {}
func (c *bareClient) IsLoggedIn() bool                                         { return true }
func (c *bareClient) LogoutRemote(context.Context)                             {}
func (c *bareClient) IsThisUser(_ context.Context, user networkid.UserID) bool { return user == "bare" }

func (c *bareClient) GetChatInfo(_ context.Context, portal *bridgev2.Portal) (*bridgev2.ChatInfo, error) {
	name := string(portal.ID)
	return &bridgev2.ChatInfo{Name: &name, Members: &bridgev2.ChatMemberList{IsFull: true, MemberMap: bridgev2.ChatMemberMap{
		"bare":    {EventSender: bridgev2.EventSender{IsFromMe: true, Sender: "bare", SenderLogin: bareLogin}},
		bareGhost: {EventSender: bridgev2.EventSender{Sender: bareGhost}},
	}}}, nil
}

func (c *bareClient) GetUserInfo(_ context.Context, ghost *bridgev2.Ghost) (*bridgev2.UserInfo, error) {
	name := string(ghost.ID)
	return &bridgev2.UserInfo{Name: &name}, nil
}

func (c *bareClient) GetCapabilities(context.Context, *bridgev2.Portal) *event.RoomFeatures {
	return &event.RoomFeatures{ID: "bare"}
}

func (c *bareClient) HandleMatrixMessage(context.Context, *bridgev2.MatrixMessage) (*bridgev2.MatrixMessageResponse, error) {
	return nil, bridgev2.ErrUnsupportedMessageType
}

// run makes the rooms, then measures the messages.
func (c *bareClient) run() {
	run := strconv.FormatInt(time.Now().UnixNano(), 10)
	c.flood(run+"-warm", 1)
	began, busy := time.Now(), usedCPU()
	c.flood(run, c.connector.task.Messages)
	result, _ := json.Marshal(bareResult{Seconds: time.Since(began).Seconds(), CPUMillis: usedCPU() - busy})
	fmt.Printf("\n%s\n", result)
	os.Exit(0)
}

func (c *bareClient) flood(run string, messages int) {
	var rooms sync.WaitGroup
	for room := range c.connector.task.Rooms {
		rooms.Go(func() {
			for n := range messages {
				text := fmt.Sprintf("%s %05d", run, n)
				result := c.login.QueueRemoteEvent(&simplevent.Message[string]{
					EventMeta: simplevent.EventMeta{
						Type: bridgev2.RemoteEventMessage, PortalKey: networkid.PortalKey{ID: networkid.PortalID(key(room))}, CreatePortal: true,
						Sender: bridgev2.EventSender{Sender: bareGhost}, Timestamp: time.Now(),
					},
					ID: networkid.MessageID(key(room) + " " + text), Data: text, ConvertMessageFunc: convertBare,
				})
				if !result.Success || result.Queued {
					fmt.Fprintln(os.Stderr, "not sent:", text, result.Error)
					os.Exit(3)
				}
			}
		})
	}
	rooms.Wait()
}

func convertBare(_ context.Context, _ *bridgev2.Portal, _ bridgev2.MatrixAPI, text string) (*bridgev2.ConvertedMessage, error) {
	return &bridgev2.ConvertedMessage{Parts: []*bridgev2.ConvertedMessagePart{{
		Type: event.EventMessage, Content: &event.MessageEventContent{MsgType: event.MsgText, Body: text},
	}}}, nil
}

// usedCPU is the processor time of this process in milliseconds.
func usedCPU() float64 {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) != nil {
		return 0
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
}
