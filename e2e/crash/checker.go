// Package crash checks the promise that nothing is lost, nothing comes twice and everything stays in order while
// programs are killed and connections cut: a seeded stream of messages in both directions over three conversations,
// faults drawn from the same seed, and a checker that knows what was accepted at each end.
package crash

import (
	"fmt"
	"slices"
	"strings"
)

// Kind is what is wrong with a message.
type Kind string

// Kinds of problems.
const (
	Lost        Kind = "lost"
	Doubled     Kind = "doubled"
	Disordered  Kind = "disordered"
	Invented    Kind = "invented" // nobody wrote it
	WrongAuthor Kind = "wrong author"
	WrongTime   Kind = "wrong time"
	WrongID     Kind = "wrong id"
	Backwards   Kind = "watermark moved back"
	FailureTold Kind = "failure told" // somebody was told that a message was not delivered
	Ended       Kind = "bridge ended by itself"
	Outside     Kind = "not back"
	Differs     Kind = "differs" // how things are in the end
)

// Message is a message as one end has accepted or shown it. Fields that are empty where a message was accepted are not
// compared.
type Message struct {
	Text   string
	Author string
	ID     string
	TimeMS int64
	// OrBy is another author that is right, too.
	OrBy string
	// Optional is for what was sent and never confirmed: it may be there or not.
	Optional bool
}

// Problem is one broken promise.
type Problem struct {
	Kind   Kind
	Where  string // the end that shows it
	What   string // text of the message, or the subject of a watermark
	Detail string

	by Message // of a disordered message: the one that overtook it
}

func (p Problem) String() string {
	return strings.TrimSpace(fmt.Sprintf("%s %s: %q %s", p.Kind, p.Where, p.What, p.Detail))
}

// occurrence is a text with its number among equal texts: what was accepted twice may be shown twice.
type occurrence struct {
	text string
	n    int
}

func occurrences(list []Message) []occurrence {
	out, count := make([]occurrence, len(list)), map[string]int{}
	for i, m := range list {
		out[i] = occurrence{m.Text, count[m.Text]}
		count[m.Text]++
	}
	return out
}

// Compare returns what is wrong with the messages that an end shows, given those that were accepted for it, both in order.
func Compare(where string, accepted, shown []Message) (found []Problem) {
	report := func(kind Kind, what, format string, args ...any) {
		found = append(found, Problem{Kind: kind, Where: where, What: what, Detail: fmt.Sprintf(format, args...)})
	}
	index, known := map[occurrence]int{}, map[string]int{}
	for i, o := range occurrences(accepted) {
		index[o] = i
		known[o.text]++
	}
	there := make([]bool, len(accepted))
	latest := -1
	for i, o := range occurrences(shown) {
		at, ok := index[o]
		switch {
		case !ok && known[o.text] == 0:
			report(Invented, o.text, "by %s", shown[i].Author)
			continue
		case !ok:
			report(Doubled, o.text, "shown %d times or more, accepted %d times", o.n+1, known[o.text])
			continue
		}
		there[at] = true
		if at < latest {
			report(Disordered, o.text, "comes after %q", accepted[latest].Text)
			found[len(found)-1].by = accepted[latest]
		}
		latest = max(latest, at)
		want, got := accepted[at], shown[i]
		if want.Author != "" && want.Author != got.Author && (want.OrBy == "" || want.OrBy != got.Author) {
			report(WrongAuthor, o.text, "is by %s, shown as by %s", want.Author, got.Author)
		}
		if want.TimeMS != 0 && want.TimeMS != got.TimeMS {
			report(WrongTime, o.text, "is of %d, shown as of %d", want.TimeMS, got.TimeMS)
		}
		if want.ID != "" && got.ID != "" && want.ID != got.ID {
			report(WrongID, o.text, "is %s, shown as %s", want.ID, got.ID)
		}
	}
	for i, m := range accepted {
		if !there[i] && !m.Optional {
			report(Lost, m.Text, "")
		}
	}
	return found
}

// Mark is one observation of a watermark. One without a subject says that what was shown before may be forgotten.
type Mark struct {
	Subject string // whose, where
	Value   int64
}

// Forward returns the watermarks that moved back, given all observations at one end in order.
func Forward(where string, marks []Mark) (found []Problem) {
	last := map[string]int64{}
	for _, m := range marks {
		if m.Subject == "" {
			clear(last)
			continue
		}
		if m.Value < last[m.Subject] {
			found = append(found, Problem{Kind: Backwards, Where: where, What: m.Subject, Detail: fmt.Sprintf("from %d to %d", last[m.Subject], m.Value)})
		}
		last[m.Subject] = m.Value
	}
	return found
}

// SetBack counts the watermarks that moved back because they were forgotten.
func SetBack(marks []Mark) int {
	whole := slices.DeleteFunc(slices.Clone(marks), func(m Mark) bool { return m.Subject == "" })
	return len(Forward("", whole)) - len(Forward("", marks))
}

// Split takes those problems out of a list that fit.
func Split(all []Problem, fits func(Problem) bool) (rest, taken []Problem) {
	for _, p := range all {
		if fits(p) {
			taken = append(taken, p)
		} else {
			rest = append(rest, p)
		}
	}
	return rest, taken
}

// Summary counts problems by kind, one line.
func Summary(all []Problem) string {
	if len(all) == 0 {
		return "nothing lost, doubled, disordered, invented, or with a wrong author or time; no watermark moved back"
	}
	count := map[Kind]int{}
	for _, p := range all {
		count[p.Kind]++
	}
	var parts []string
	for kind, n := range count {
		parts = append(parts, fmt.Sprintf("%d %s", n, kind))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}
