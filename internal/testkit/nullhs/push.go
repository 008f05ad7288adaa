package nullhs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

var errUnreachable = errors.New("application service is unreachable")

// maxTransaction is how many events one transaction carries at most.
const maxTransaction = 100

// transaction is what was or will be sent to an application service under one number.
type transaction struct {
	ID   int64
	Made int64 // Unix milliseconds
	Body json.RawMessage
}

// Transaction is one attempt to deliver a transaction.
type Transaction struct {
	Service string // id of the application service
	ID      int64
	Body    json.RawMessage
	Status  int // of the answer; 0 when there was none
}

// startService makes the bot's user and starts the pusher. The caller holds the lock.
func (s *Server) startService(as *service) {
	if bot := s.userID(as.reg.SenderLocalpart); s.data.users[bot] == nil {
		s.createUser(bot, "", false)
		s.flush()
	}
	if as.reg.URL == "" {
		return
	}
	as.stalled = len(s.data.pending[as.reg.ID]) > 0
	life := s.life
	s.workers.Go(func() { s.push(life, as) })
}

// publish hands an event to the application services that it concerns. The caller holds the lock.
func (s *Server) publish(r *room, ev *pdu) {
	for _, as := range s.services {
		if as.reg.URL == "" || !s.interested(as, r, ev) {
			continue
		}
		if s.data.down[as.reg.ID] {
			as.stalled = false
			s.newTransaction(as, []*pdu{ev}, nil)
		} else if as.layAside {
			as.layAside = false
			s.newTransaction(as, []*pdu{ev}, nil)
			continue
		} else {
			as.queue = append(as.queue, ev)
		}
		nudge(as.wake)
	}
}

// publishEphemeral hands on typing, receipts and presence; an application service that is down never gets them.
func (s *Server) publishEphemeral(r *room, content object) {
	for _, as := range s.services {
		wants := as.reg.EphemeralEvents || as.reg.SoruEphemeralEvents
		if as.reg.URL != "" && wants && !s.data.down[as.reg.ID] && s.interested(as, r, nil) {
			as.ephemeral = append(as.ephemeral, content)
			nudge(as.wake)
		}
	}
}

func nudge(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// newTransaction stores a transaction to be sent. The caller holds the lock and flushes.
func (s *Server) newTransaction(as *service, events []*pdu, ephemeral []object) {
	list := make([]object, 0, len(events))
	for _, ev := range events {
		var fields object
		line, _ := json.Marshal(ev)
		_ = json.Unmarshal(line, &fields)
		fields["user_id"] = ev.Sender
		list = append(list, fields)
	}
	if ephemeral == nil {
		ephemeral = []object{}
	}
	body, err := json.Marshal(object{"events": list, "ephemeral": ephemeral, "de.sorunome.msc2409.ephemeral": ephemeral})
	if err != nil {
		panic(fmt.Sprintf("nullhs: encode transaction: %v", err))
	}
	s.commit(&addPending{as.reg.ID, &transaction{s.data.nextTxn + 1, time.Now().UnixMilli(), body}})
}

// aged is the body with the age in milliseconds in each of its events. The homeserver's age of an event starts when the
// event reached it, whatever time it bears; older adds to it.
func (txn *transaction) aged(older time.Duration) json.RawMessage {
	age := time.Now().Add(older).UnixMilli() - txn.Made
	if age < time.Second.Milliseconds() {
		return txn.Body
	}
	var body object
	_ = json.Unmarshal(txn.Body, &body)
	for _, ev := range body["events"].([]any) {
		fields := ev.(object)
		unsigned, _ := fields["unsigned"].(object)
		if unsigned == nil {
			unsigned = object{}
		}
		unsigned["age"], fields["age"], fields["unsigned"] = age, age, unsigned
	}
	aged, err := json.Marshal(body)
	if err != nil {
		panic(fmt.Sprintf("nullhs: encode transaction: %v", err))
	}
	return aged
}

// push sends the transactions of one application service in order, one at a time, until this life of the server ends.
func (s *Server) push(life context.Context, as *service) {
	delay := s.opts.RetryDelay
	for life.Err() == nil {
		txn := s.nextTransaction(as)
		if txn == nil {
			select {
			case <-as.wake:
			case <-life.Done():
			}
			continue
		}
		if s.deliver(life, as, txn) {
			delay = s.opts.RetryDelay
			continue
		}
		select {
		case <-time.After(delay):
			delay = min(2*delay, 32*s.opts.RetryDelay)
		case <-as.retry:
		case <-life.Done():
		}
	}
}

// nextTransaction returns the oldest transaction, after making one of what has queued up.
func (s *Server) nextTransaction(as *service) *transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.flush()
	down := s.data.down[as.reg.ID]
	if as.paused || as.stalled && down {
		return nil
	}
	rows := s.data.pending[as.reg.ID]
	if down && len(rows) > 0 {
		return rows[0]
	}
	if len(as.queue) == 0 && len(as.ephemeral) == 0 {
		// A transaction that was in flight when the server was killed waits, as in Synapse, for a later failure.
		return nil
	}
	n := min(len(as.queue), maxTransaction)
	s.newTransaction(as, as.queue[:n], as.ephemeral)
	as.queue, as.ephemeral = as.queue[n:], nil
	rows = s.data.pending[as.reg.ID]
	return rows[len(rows)-1]
}

// deliver makes one attempt and keeps what came of it.
func (s *Server) deliver(life context.Context, as *service, txn *transaction) bool {
	status, body, err := 0, txn.aged(time.Duration(s.older.Load())), errUnreachable
	if !as.unreachable.Load() {
		status, _, err = as.request(life, "PUT", fmt.Sprintf("/_matrix/app/v1/transactions/%d", txn.ID), body)
	}
	if life.Err() != nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.flush()
	s.sent = append(s.sent, Transaction{as.reg.ID, txn.ID, body, status})
	if err == nil && status/100 == 2 {
		s.commit(&dropPending{as.reg.ID, txn.ID})
		if s.data.down[as.reg.ID] && len(s.data.pending[as.reg.ID]) == 0 {
			s.commit(&setDown{as.reg.ID, false})
			as.layAside = s.opts.LayAside
		}
		return true
	}
	if !s.data.down[as.reg.ID] {
		s.commit(&setDown{as.reg.ID, true})
		as.stalled, as.ephemeral = false, nil
		for _, ev := range as.queue {
			s.newTransaction(as, []*pdu{ev}, nil)
		}
		as.queue = nil
	}
	return false
}

func (as *service) retryNow() { nudge(as.retry) }

// Unreachable has all pushes to an application service fail from now on, or no more.
func (s *Server) Unreachable(service string, on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, as := range s.services {
		if as.reg.ID == service {
			as.unreachable.Store(on)
		}
	}
}

// Older has all events that are pushed from now on look older than they are.
func (s *Server) Older(by time.Duration) { s.older.Store(int64(by)) }

// LayAside has the next event for an application service laid aside once, as Options.LayAside does after a recovery.
func (s *Server) LayAside(service string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, as := range s.services {
		if as.reg.ID == service {
			as.layAside = true
		}
	}
}

// PausePush holds back everything for an application service until ResumePush; events queue up in memory meanwhile.
func (s *Server) PausePush(service string) { s.setPaused(service, true) }

// ResumePush ends PausePush.
func (s *Server) ResumePush(service string) { s.setPaused(service, false) }

func (s *Server) setPaused(service string, paused bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, as := range s.services {
		if as.reg.ID == service {
			as.paused = paused
			nudge(as.wake)
		}
	}
}

// Transactions returns every attempt to deliver, oldest first.
func (s *Server) Transactions() []Transaction {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Transaction(nil), s.sent...)
}

// Replay delivers a transaction once more, out of order, and returns the status of the answer.
func (s *Server) Replay(ctx context.Context, txn Transaction) (int, error) {
	s.mu.Lock()
	var target *service
	for _, as := range s.services {
		if as.reg.ID == txn.Service {
			target = as
		}
	}
	s.mu.Unlock()
	if target == nil {
		return 0, fmt.Errorf("no application service %q", txn.Service)
	}
	status, _, err := target.request(ctx, "PUT", fmt.Sprintf("/_matrix/app/v1/transactions/%d", txn.ID), txn.Body)
	return status, err
}

// Idle says whether nothing waits to be delivered to any application service.
func (s *Server) Idle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, as := range s.services {
		if len(as.queue)+len(as.ephemeral)+len(s.data.pending[as.reg.ID]) > 0 {
			return false
		}
	}
	return true
}
