package hangoutstest

import (
	"context"
	"hash/fnv"
	"time"

	pb "github.com/hangouts-bridge/hangouts-bridge/hangouts/hangoutspb"
)

// botTask is one message to answer.
type botTask struct {
	conv string
	us   uint64
	text string
}

var chatter = []string{
	"That sounds great!", "Really? Tell me more.", "Haha 😄", "I was just thinking the same.",
	"Let me check and come back to you.", "Sure, why not?", "No idea, sorry.", "See you there 👋",
}

// startBots gives every person with a bot one goroutine and a bounded queue.
func (s *Server) startBots() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range s.world.peopleIDs {
		s.startBotLocked(s.world.people[id])
	}
}

func (s *Server) startBotLocked(p *person) {
	if p.Bot == "" || s.bots[p.GaiaID] != nil {
		return
	}
	queue := make(chan botTask, maxBotQueue)
	s.bots[p.GaiaID] = queue
	s.goLocked(func() {
		for {
			select {
			case <-s.ctx.Done():
				return
			case task := <-queue:
				s.botAnswer(s.ctx, p, task)
			}
		}
	})
}

// wakeBotsLocked gives a message to the bots of its conversation. Bots do not answer bots;
// what a full queue does not take stays unanswered.
func (s *Server) wakeBotsLocked(c *conversation, e *event) {
	author := s.world.people[e.sender()]
	if !s.settings.Bots || e.pb.ChatMessage == nil || author == nil || author.Bot != "" {
		return
	}
	for _, m := range c.present() {
		if queue := s.bots[m.GaiaID]; queue != nil {
			select {
			case queue <- botTask{c.ID, e.us(), plainText(e.pb.ChatMessage)}:
			default:
			}
		}
	}
}

// botAnswer reads, types, answers and moves the watermark, as a person would.
func (s *Server) botAnswer(ctx context.Context, p *person, task botTask) {
	delay := s.Settings().BotDelay.Duration()
	who := &Person{s: s, gaia: p.GaiaID}
	if !sleep(ctx, delay) {
		return
	}
	_ = who.Read(task.conv, task.us)
	_ = who.Typing(task.conv, pb.TypingType_TYPING_TYPE_STARTED)
	if !sleep(ctx, delay) {
		return
	}
	text := "echo: " + task.text
	if p.Bot == "chatty" {
		h := fnv.New32a()
		_, _ = h.Write([]byte(p.GaiaID + task.text + time.UnixMicro(int64(task.us)).String()))
		text = chatter[int(h.Sum32())%len(chatter)]
	}
	if e, err := who.Send(task.conv, text); err == nil {
		_ = who.Read(task.conv, e.TimestampUS)
	}
}
