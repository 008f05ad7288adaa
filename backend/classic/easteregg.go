package classic

import (
	"context"
	"fmt"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/account"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// easterEggs are the animations that clients know (protocol §8.25).
var easterEggs = []string{"ponies", "pitchforks", "bikeshed", "shydino"}

func (c *connection) easterEgg(ctx context.Context, place *pb.ConversationId, name string) (account.Answer, error) {
	_, err := call(ctx, c, func(client *hangouts.Client) (*pb.EasterEggResponse, error) {
		return client.EasterEgg(ctx, &pb.EasterEggRequest{ConversationId: place, EasterEgg: &pb.EasterEgg{Message: proto.String(name)}})
	})
	return account.Answer{}, err
}

// eggEvery is how often one animation of one person is shown as a line.
const eggEvery = time.Minute

// addEasterEgg makes an event of an animation. The service gives it no id and stores it nowhere; it
// gets one that is the same for all accounts that see it, unless a minute ends just then.
func addEasterEgg(out *account.Update, u *pb.StateUpdate) {
	n := u.GetEasterEggNotification()
	e := chat.Event{V: chat.Version, Conversation: chat.ConversationID(n.GetConversationId().GetId()), Kind: chat.KindNotice,
		Author: personID(n.GetSenderId()), Time: int64(u.GetStateUpdateHeader().GetCurrentServerTime())}
	name := n.GetEasterEgg().GetMessage()
	text := "sent " + name
	if !slices.Contains(easterEggs, name) {
		name, text = "other", "sent an animation that cannot be shown here"
	}
	if !validID(string(e.Conversation)) || e.Author == "" || e.Time <= 0 {
		return
	}
	e.ID = chat.EventID(fmt.Sprintf("egg-%s-%s-%d", e.Author, name, e.Time/eggEvery.Microseconds()))
	e.Notice = &chat.Notice{Text: text}
	out.Events = append(out.Events, account.ReceivedEvent{Event: e.Clean()})
}
