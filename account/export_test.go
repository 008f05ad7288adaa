package account

import "github.com/hangouts-bridge/hangouts-bridge/chat"

// Notify notifies the consumers of a session that a conversation's log has grown to head.
func Notify(s Session, id chat.ConversationID, head int64) { s.(*session).notify(id, head) }

// SetLog has a manager that is not started use another log.
func SetLog(m *Manager, log Log) { m.log = log }

// SetHistory has a manager that is not started use another history store.
func SetHistory(m *Manager, history HistoryStore) { m.history = history }

// MaxInputs is how many inputs of a link wait.
const MaxInputs = maxInputs
