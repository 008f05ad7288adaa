package bridge_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/id"

	"github.com/hangouts-bridge/hangouts-bridge/bridge"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/config"
	"github.com/hangouts-bridge/hangouts-bridge/bridge/ids"
	"github.com/hangouts-bridge/hangouts-bridge/chat"
	"github.com/hangouts-bridge/hangouts-bridge/database"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/mxclient"
	"github.com/hangouts-bridge/hangouts-bridge/internal/testkit/nullhs"
)

const dora = chat.PersonID("100000000000000000004")

// scene is the group with bob in its room, alone or with alice.
type scene struct {
	*world
	alice, bob *mxclient.Client // alice is nil when bob is alone
	management id.RoomID        // of bob
	aliceRoom  id.RoomID        // where alice talks to the bot
	room       id.RoomID
	turn       int
}

func newScene(t *testing.T, withAlice bool) *scene {
	return newSceneWith(t, withAlice, func(*config.Config) {})
}

// newSceneWith is newScene with other settings.
func newSceneWith(t *testing.T, withAlice bool, change func(*config.Config)) *scene {
	s := &scene{world: newWorld(t)}
	s.prepare = func(m *bridge.Main) { change(m.Network()) }
	s.network.AddPerson(dora, "Dora Dahl")
	s.start()
	if withAlice {
		s.alice = s.user("alice")
		s.aliceRoom = s.login(s.alice, anna)
	}
	s.bob = s.user("bob")
	s.management = s.login(s.bob, bert)
	s.network.Say(carl, group, "first")
	s.room = s.world.room("first")
	s.bob.WaitText(s.room, "first")
	require.True(t, s.bobSaw("first"))
	s.settled()
	return s
}

// settled waits until every account has delivered everything to Matrix.
func (s *scene) settled() {
	s.t.Helper()
	for _, person := range []chat.PersonID{anna, bert} {
		if s.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(person)) == nil {
			continue
		}
		key := database.ConsumerKey{Account: person, Side: chat.OriginMatrix}
		s.eventually("everything to be delivered to "+string(person), func() bool {
			standings, err := s.main.Store().Consumers().Standings(s.t.Context(), key)
			require.NoError(s.t, err)
			return !slices.ContainsFunc(standings, func(st database.Standing) bool { return st.Seq < st.Head })
		})
	}
	s.eventually("the homeserver to be done", s.hs.Idle)
}

func (s *scene) change(author chat.PersonID, joined bool, people ...chat.PersonID) {
	s.network.Post(chat.Event{Conversation: group, Author: author, Kind: chat.KindMembership, Membership: &chat.Membership{Joined: joined, People: people}})
}

// moves are the memberships that a user had in the room, in order.
func (s *scene) moves(user id.UserID) (moves []string) {
	for _, e := range s.hs.Events(s.room) {
		if e.Type.Type == "m.room.member" && e.GetStateKey() == string(user) {
			moves = append(moves, string(e.Content.AsMember().Membership))
		}
	}
	return moves
}

func (s *scene) isBob(membership string) bool {
	return s.hs.Membership(s.room, s.bob.UserID()) == membership
}

// absence is what is stored of bob's part in the room.
func (s *scene) absence() ids.Absence { return s.absenceOf(bert) }

func (s *scene) absenceOf(person chat.PersonID) ids.Absence {
	room, err := s.main.Bridge.GetPortalByMXID(s.t.Context(), s.room)
	require.NoError(s.t, err)
	return ids.PortalMeta(room).Absences.All()[ids.MakeLoginID(person)]
}

// kinds are what may happen in a conversation without bringing anybody back.
var kinds = []struct {
	name string
	do   func(s *scene)
}{
	{"message", func(s *scene) { s.say(carl) }},
	{"own message", func(s *scene) { s.say(bert) }},
	{"typing", func(s *scene) {
		s.network.Type(carl, group, chat.TypingStarted)
		s.network.Type(bert, group, chat.TypingStarted)
	}},
	{"receipts", func(s *scene) {
		e := s.say(carl)
		s.settled()
		s.network.Read(carl, group, e.Time)
		s.network.Read(bert, group, e.Time)
	}},
	{"rename", func(s *scene) {
		s.network.Post(chat.Event{Conversation: group, Author: carl, Kind: chat.KindRename, Rename: &chat.Rename{New: fmt.Sprint("Name ", s.turn)}})
	}},
	{"others join and leave", func(s *scene) {
		s.change(carl, true, dora)
		s.settled()
		s.change(dora, false, dora)
	}},
	{"person renamed", func(s *scene) { s.network.Rename(carl, fmt.Sprint("Carl Number", s.turn)) }},
	{"restart", func(s *scene) { s.stop(); s.start() }},
	{"after it", func(s *scene) { s.say(carl) }},
}

// say writes a new text in the group.
func (s *scene) say(who chat.PersonID) chat.Event {
	s.turn++
	return s.network.Say(who, group, fmt.Sprint("text ", s.turn))
}

// stays runs everything that may happen and requires that bob's membership of the room
// does not change, and that alice sees all texts that came, once and in order.
func (s *scene) stays(t *testing.T, member bool) {
	before := s.moves(s.bob.UserID())
	for _, kind := range kinds {
		if kind.name == "own message" && !member {
			continue // the network lets them say nothing
		}
		kind.do(s)
		s.settled()
		if s.alice != nil {
			s.turn++
			text := fmt.Sprintf("after %s, %d", kind.name, s.turn)
			s.network.Say(carl, group, text)
			s.alice.WaitText(s.room, text)
			s.settled()
		}
		require.Equal(t, before, s.moves(s.bob.UserID()), kind.name)
	}
	if s.alice == nil {
		return
	}
	shown := []string{}
	for _, l := range s.lines(s.room) {
		shown = append(shown, l.Body)
	}
	require.Subset(t, shown, s.texts(group))
	require.Equal(t, s.texts(group), slices.DeleteFunc(shown, func(text string) bool { return !slices.Contains(s.texts(group), text) }), "each once, in order")
	require.Equal(t, "join", s.hs.Membership(s.room, s.alice.UserID()))
	s.turn++
	text := fmt.Sprint("alice goes on ", s.turn)
	s.alice.SendText(s.room, text)
	s.eventually("alice's text", func() bool { return slices.Contains(s.texts(group), text) })
}

// companies are who is in the room beside bob.
var companies = map[string]bool{"alone": false, "with another login": true}

// Who leaves a room that another login has made, before the framework notes their login there, has left it.
func TestLeavingBeforeTheLoginIsNoted(t *testing.T) {
	s := newScene(t, true)
	_, err := s.main.Bridge.DB.Exec(t.Context(), "DELETE FROM user_portal WHERE login_id=$1", string(bert))
	require.NoError(t, err)
	s.bob.Leave(s.room)
	s.eventually("the leave to be noted", func() bool { return s.absence() == ids.Hidden })
	s.stays(t, true)
}

// Nor is somebody pulled back whom the bridge invites before it hears that they have left; an invitation of another user's stays.
func TestInvitedBeforeTheLeaveIsHeard(t *testing.T) {
	for name, c := range map[string]struct {
		back func(s *scene, bob *mxclient.Client)
		ends string
	}{
		"by the bot": {func(s *scene, bob *mxclient.Client) { s.byBot(bob) }, "leave"},
		"and joined by the bridge": {func(s *scene, bob *mxclient.Client) {
			s.byBot(bob)
			user, err := s.main.Bridge.GetExistingUserByMXID(s.t.Context(), bob.UserID())
			require.NoError(s.t, err)
			require.NoError(s.t, user.DoublePuppet(s.t.Context()).EnsureJoined(s.t.Context(), s.room))
		}, "leave"},
		"and accepted": {func(s *scene, bob *mxclient.Client) {
			s.byBot(bob)
			bob.Join(s.room)
		}, "join"},
		"by alice": {func(s *scene, bob *mxclient.Client) {
			_, err := s.main.Matrix.Bot.SetPowerLevel(s.t.Context(), s.room, s.alice.UserID(), 99)
			require.NoError(s.t, err)
			s.alice.Invite(s.room, bob.UserID())
		}, "invite"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, true)
			s.bob.Close()
			bob := mxclient.New(t, s.hs, "bob") // accepts nothing by itself
			s.hs.PausePush("hangouts")
			bob.Leave(s.room)
			c.back(s, bob)
			s.hs.ResumePush("hangouts")
			if c.ends != "join" {
				s.eventually("the leave to be noted", func() bool { return s.absence() == ids.Hidden })
			}
			s.settled()
			s.network.Say(carl, group, "after that")
			s.alice.WaitText(s.room, "after that")
			require.Equal(t, c.ends, s.hs.Membership(s.room, bob.UserID()))
		})
	}
}

// byBot has the bot invite bob.
func (s *scene) byBot(bob *mxclient.Client) {
	s.t.Helper()
	_, err := s.main.Matrix.Bot.InviteUser(s.t.Context(), s.room, &mautrix.ReqInviteUser{UserID: bob.UserID()})
	require.NoError(s.t, err)
}

// Who left the room in Matrix stays out whatever happens, until `open`, and misses nothing.
func TestLeftInMatrixStaysOut(t *testing.T) {
	for name, withAlice := range companies {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, withAlice)
			s.bob.Leave(s.room)
			s.eventually("the leave to be noted", func() bool { return s.absence() == ids.Hidden })
			s.stays(t, true)

			s.bob.SendText(s.management, "open Name 5")
			s.bob.SendText(s.management, "open "+string(group))
			s.eventually("bob to be back", func() bool { return s.isBob("join") })
			s.eventually("the absence to end", func() bool { return s.absence() == "" })
			s.network.Say(carl, group, "last")
			s.bob.WaitText(s.room, "last")
			s.settled()
			s.requireAll(t)
			s.bob.SendText(s.room, "bob again")
			s.eventually("bob's text", func() bool { return slices.Contains(s.texts(group), "bob again") })
		})
	}
}

// requireAll requires that the room has every text of the group once, in order.
func (s *scene) requireAll(t *testing.T) {
	t.Helper()
	var shown []string
	for _, l := range s.lines(s.room) {
		if slices.Contains(s.texts(group), l.Body) {
			shown = append(shown, l.Body)
		}
	}
	require.Equal(t, s.texts(group), shown)
}

// Who is removed on Hangouts is out of a room that another login uses, whichever login
// hears of it first.
func TestRemovedIsOutOfASharedRoom(t *testing.T) {
	for name, deaf := range map[string]chat.PersonID{"both hear": "", "bert is deaf": bert, "anna is deaf": anna} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, true)
			if deaf != "" {
				s.network.Deafen(deaf)
			}
			s.change(carl, false, bert)
			s.network.Say(carl, group, "without bert")
			s.eventually("bob to be out", func() bool { return s.isBob("leave") })
			if deaf != "" {
				s.network.Cut(deaf)
				s.eventually("the channel", func() bool { return s.network.Subscribed(deaf) })
			}
			s.alice.WaitText(s.room, "without bert")
			s.settled()
			s.eventually("the absence to be noted", func() bool { return s.absence() == ids.Removed }) // as its own account knows it
			kicked := s.hs.State(s.room, "m.room.member", string(s.bob.UserID()))
			require.Equal(t, bot, kicked.Sender)
			require.Equal(t, "Removed from the conversation on Hangouts", kicked.Content.AsMember().Reason)
			require.False(t, s.bobSaw("without bert"))
			s.stays(t, false)
			for _, e := range s.hs.Messages(s.room) {
				require.NotContains(t, e.Content.AsMessage().Body, "You were removed")
			}

			s.change(carl, true, bert)
			s.eventually("bob to be back", func() bool { return s.isBob("join") })
			s.network.Say(bert, group, "here again")
			s.alice.WaitText(s.room, "here again")
			require.Equal(t, s.bob.UserID(), s.lastLine().Sender)
		})
	}
}

// An account that has not heard of its removal yet still counts itself in: that brings nobody back.
func TestRemovalThatOnlyOthersHaveHeardOf(t *testing.T) {
	s := newScene(t, true)
	login := s.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(bert))
	s.network.Deafen(bert)
	s.change(carl, false, bert)
	s.network.Say(carl, group, "without bert")
	s.alice.WaitText(s.room, "without bert")
	require.True(t, s.isBob("leave"))
	before := s.moves(s.bob.UserID())
	require.NoError(t, bridge.Refresh(t.Context(), login, group))
	require.Equal(t, ids.Expelled, s.absence())
	s.network.Cut(bert)
	s.eventually("bert to hear of it", func() bool { return s.absence() == ids.Removed })
	require.NoError(t, bridge.Refresh(t.Context(), login, group))
	require.Equal(t, before, s.moves(s.bob.UserID()))
}

// bobSaw reports whether bob's client has ever shown a text in the room.
func (s *scene) bobSaw(text string) bool {
	return slices.ContainsFunc(s.bob.Texts(s.room), func(line string) bool { return strings.HasSuffix(line, ": "+text) })
}

func (s *scene) lastLine() line {
	all := s.lines(s.room)
	return all[len(all)-1]
}

// The last one in a room keeps it to read, until another login uses it.
func TestLastOneRemovedKeepsTheRoom(t *testing.T) {
	s := newScene(t, false)
	s.change(carl, false, bert)
	s.waitNotice(s.room, "You were removed from this conversation")
	s.settled()
	require.Equal(t, ids.Reader, s.absence())
	s.stays(t, false)
	require.True(t, s.isBob("join"))
	s.bob.SendText(s.room, "anybody?")
	s.waitNotice(s.room, "not in this conversation any more")
	notices := 0
	for _, text := range s.notices(s.room) {
		if strings.Contains(text, "You were removed") {
			notices++
		}
	}
	require.Equal(t, 1, notices)

	s.alice = s.user("alice")
	s.login(s.alice, anna)
	s.network.Say(carl, group, "for anna only")
	s.alice.WaitText(s.room, "for anna only")
	s.settled()
	require.True(t, s.isBob("leave"))
	require.False(t, s.bobSaw("for anna only"))
}

// A user who keeps a room only to read is removed before another user takes part in it again, and does not see the
// messages in between.
func TestReaderIsOutWhenAnotherTakesPart(t *testing.T) {
	for name, c := range map[string]struct {
		withAlice bool
		away      func(s *scene) // alice does not take part
		again     func(s *scene) // and does again
	}{
		"new login": {false, func(*scene) {}, func(s *scene) {
			s.alice = s.user("alice")
			s.login(s.alice, anna)
		}},
		"open": {true, func(s *scene) {
			s.alice.Leave(s.room)
			s.eventually("the leave to be noted", func() bool { return s.absenceOf(anna) == ids.Hidden })
		}, func(s *scene) {
			s.alice.SendText(s.aliceRoom, "open "+string(group))
		}},
		"delivering again": {true, func(s *scene) {
			s.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(anna)).Client.Disconnect()
		}, func(s *scene) {
			s.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(anna)).Client.Connect(t.Context())
		}},
		"added again": {true, func(s *scene) {
			s.change(carl, false, anna)
			s.eventually("alice to be out", func() bool { return s.absenceOf(anna) == ids.Removed })
		}, func(s *scene) {
			s.change(carl, true, anna)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, c.withAlice)
			c.away(s)
			s.settled()
			s.change(carl, false, bert)
			s.waitNotice(s.room, "You were removed from this conversation")
			s.eventually("bob to be a reader", func() bool { return s.absence() == ids.Reader })
			s.network.Say(carl, group, "meanwhile")
			c.again(s)
			s.alice.WaitText(s.room, "meanwhile")
			s.network.Say(carl, group, "at last")
			s.alice.WaitText(s.room, "at last")
			s.settled()
			require.True(t, s.isBob("leave"))
			require.Equal(t, ids.Removed, s.absence())
			require.False(t, s.bobSaw("meanwhile"))
			require.False(t, s.bobSaw("at last"))
			s.requireAll(t)
		})
	}
}

// Both are removed: the one whose removal comes last keeps the room.
func TestBothRemoved(t *testing.T) {
	s := newScene(t, true)
	s.change(carl, false, bert)
	s.change(carl, false, anna)
	s.waitNotice(s.room, "You were removed from this conversation")
	s.settled()
	require.True(t, s.isBob("leave"))
	require.Equal(t, "join", s.hs.Membership(s.room, s.alice.UserID()))
}

// Nor does somebody who was removed see what fills a gap of the room afterwards.
func TestRemovedBeforeAGapIsFilled(t *testing.T) {
	s := newScene(t, true)
	s.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(bert)).Client.Disconnect()
	room, err := s.main.Bridge.GetPortalByMXID(t.Context(), s.room)
	require.NoError(t, err)
	require.NoError(t, bridge.SetGap(t.Context(), s.main, room, s.network.Events(group)[0].Time))
	lift := s.hs.Inject(nullhs.Fault{Method: http.MethodPut, Path: "/send/m.room.message/", User: string(ghost(carl)), Status: http.StatusBadGateway})
	s.network.Say(carl, group, "an event before the removal")
	s.change(carl, false, bert)
	s.network.Say(carl, group, "without bert")
	s.eventually("all to be logged", func() bool {
		session, _ := s.manager.Get(anna)
		conversation, err := session.Conversation(t.Context(), group)
		return err == nil && !conversation.Has(bert)
	})
	lift()
	s.alice.WaitText(s.room, "without bert")
	require.True(t, s.isBob("leave"))
	require.False(t, s.bobSaw("without bert"))
}

// Another login takes a removed one out of the room, also while that one delivers nothing.
func TestRemovedWhileNotDelivering(t *testing.T) {
	s := newScene(t, true)
	login := s.main.Bridge.GetCachedUserLoginByID(ids.MakeLoginID(bert))
	login.Client.Disconnect()
	s.change(carl, false, bert)
	s.network.Say(carl, group, "without bert")
	s.alice.WaitText(s.room, "without bert")
	require.True(t, s.isBob("leave"))
	require.False(t, s.bobSaw("without bert"))
	before := s.moves(s.bob.UserID())
	login.Client.Connect(t.Context())
	s.settled()
	s.eventually("the absence to be noted", func() bool { return s.absence() == ids.Removed })
	require.Equal(t, before, s.moves(s.bob.UserID()))
}
