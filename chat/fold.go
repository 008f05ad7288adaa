package chat

import "slices"

// Fold applies the edits and deletions among events, oldest first, to the messages among them: an
// edited message has its last content, a deleted one is left out, and so are the edits and
// deletions that were applied. Those of other messages stay. The events given are not changed.
func Fold(events []Event) []Event {
	at := make(map[EventID]int, len(events)) // places in folded
	gone := map[EventID]bool{}
	folded := make([]Event, 0, len(events))
	for _, e := range events {
		switch {
		case e.Edit != nil:
			if gone[e.Edit.Target] {
				continue
			}
			if n, ok := at[e.Edit.Target]; ok {
				edited := e.Edit.Message
				edited.Edited = e.Time
				folded[n].Message = &edited
				continue
			}
		case e.Deletion != nil:
			if n, ok := at[e.Deletion.Target]; ok {
				gone[e.Deletion.Target] = true
				folded[n].Message = nil
				continue
			}
		case e.Message != nil:
			at[e.ID] = len(folded)
		}
		folded = append(folded, e)
	}
	return slices.DeleteFunc(folded, func(e Event) bool { return e.Kind == KindMessage && gone[e.ID] })
}

// Target is the message that an event changes or is about: "" if there is none.
func (e Event) Target() EventID {
	switch {
	case e.Edit != nil:
		return e.Edit.Target
	case e.Deletion != nil:
		return e.Deletion.Target
	case e.Reaction != nil:
		return e.Reaction.Target
	case e.Reactions != nil:
		return e.Reactions.Target
	}
	return ""
}
