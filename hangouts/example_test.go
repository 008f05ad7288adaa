package hangouts_test

import (
	"context"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/hangouts-bridge/hangouts-bridge/hangouts"
	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
	"github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutstest"
)

// A program that answers every message, here against a compatible server with one lively contact.
func Example() {
	srv := hangoutstest.New(hangoutstest.Options{})
	defer srv.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cfg := hangouts.Config{BaseURL: srv.URL}

	cookies, err := hangouts.GetAuth(ctx, cfg, nil, storeWith(srv.Account(0).RefreshToken()), false)
	if err != nil {
		fmt.Println(err)
		return
	}
	client, err := hangouts.New(cfg, cookies)
	if err != nil {
		fmt.Println(err)
		return
	}
	self := srv.Account(0).GaiaID()
	answer := hangouts.Observe(func(ctx context.Context, u *pb.StateUpdate) error {
		event := u.GetEventNotification().GetEvent()
		if hangouts.KindOf(event) != hangouts.ChatMessageEvent {
			return nil
		}
		text := hangouts.MessageText(event.GetChatMessage())
		if event.GetSenderId().GetGaiaId() == self {
			fmt.Println("sent:", text)
			client.Disconnect()
			return nil
		}
		fmt.Println("received:", text)
		_, err := client.SendChatMessage(ctx, &pb.SendChatMessageRequest{
			MessageContent:     &pb.MessageContent{Segment: hangouts.ParseText("You said: **" + text + "**")},
			EventRequestHeader: hangouts.EventRequestHeader(u.GetConversation(), hangouts.ClientGeneratedID()),
		})
		return err
	})
	if err := client.OnStateUpdate.AddObserver(answer); err != nil {
		fmt.Println(err)
		return
	}
	greet := hangouts.Observe(func(context.Context, hangouts.Subscribed) error {
		_, err := srv.Person("carol").Send("carol", "Hello")
		return err
	})
	if err := client.OnSubscribed.AddObserver(greet); err != nil {
		fmt.Println(err)
		return
	}
	if err := client.Connect(ctx); err != nil {
		fmt.Println(err)
		return
	}
	// Output:
	// received: Hello
	// sent: You said: Hello
}

func storeWith(token string) hangouts.RefreshTokenStore { return &memory{token: token} }

// Catching up on what was missed while the push channel was broken.
func ExampleClient_SyncAllNewEvents() {
	var client *hangouts.Client // from hangouts.New
	var lastSync uint64         // µs, the server's time of the last complete catch-up
	catchUp := hangouts.Observe(func(ctx context.Context, _ hangouts.Subscribed) error {
		missed, err := client.SyncAllNewEvents(ctx, &pb.SyncAllNewEventsRequest{
			LastSyncTimestamp:    proto.Uint64(lastSync),
			MaxResponseSizeBytes: proto.Uint64(1 << 20),
		})
		if err != nil {
			return err
		}
		for _, state := range missed.GetConversationState() {
			for _, event := range state.GetEvent() {
				fmt.Println(event.GetEventId(), hangouts.FromMicros(event.GetTimestamp()))
			}
		}
		lastSync = missed.GetSyncTimestamp()
		return nil
	})
	_ = catchUp // client.OnSubscribed.AddObserver(catchUp)
}

// Sending a message with formatting and a link.
func ExampleClient_SendChatMessage() {
	srv := hangoutstest.New(hangoutstest.Options{})
	defer srv.Close()
	client, err := hangouts.New(hangouts.Config{BaseURL: srv.URL}, srv.Account(0).Cookies())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx := context.Background()
	recent, err := client.SyncRecentConversations(ctx, &pb.SyncRecentConversationsRequest{MaxConversations: proto.Uint64(1)})
	if err != nil {
		fmt.Println(err)
		return
	}
	conversation := recent.GetConversationState()[0].GetConversation()
	sent, err := client.SendChatMessage(ctx, &pb.SendChatMessageRequest{
		MessageContent:     &pb.MessageContent{Segment: hangouts.ParseText("See **this**: www.example.com")},
		EventRequestHeader: hangouts.EventRequestHeader(conversation, hangouts.ClientGeneratedID()),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, segment := range sent.GetCreatedEvent().GetChatMessage().GetMessageContent().GetSegment() {
		fmt.Printf("%q %v %q\n", segment.GetText(), segment.GetFormatting().GetBold(), segment.GetLinkData().GetLinkTarget())
	}
	// Output:
	// "See " false ""
	// "this" true ""
	// ": " false ""
	// "www.example.com" false "http://www.example.com"
}

// Uploading an image, sending it by its id, and fetching what others see.
func ExampleClient_UploadImage() {
	srv := hangoutstest.New(hangoutstest.Options{})
	defer srv.Close()
	client, err := hangouts.New(hangouts.Config{BaseURL: srv.URL}, srv.Account(0).Cookies())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()
	ctx := context.Background()
	image, err := client.UploadImage(ctx, strings.NewReader("\x89PNG\r\n\x1a\n"), "dot.png")
	if err != nil {
		fmt.Println(err)
		return
	}
	team, _ := srv.Conversation("team")
	sent, err := client.SendChatMessage(ctx, &pb.SendChatMessageRequest{
		ExistingMedia: image.Photo(),
		EventRequestHeader: &pb.EventRequestHeader{
			ConversationId: &pb.ConversationId{Id: proto.String(team.ID)}, ClientGeneratedId: proto.Uint64(hangouts.ClientGeneratedID()),
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, address := range hangouts.PhotoURLs(sent.GetCreatedEvent().GetChatMessage()) {
		photo, err := client.Download(ctx, address, 1<<20)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(len(photo.Data), photo.ContentType)
	}
	// Output: 8 image/png
}
