package crash

import (
	"fmt"
	"math/rand/v2"
	"slices"
)

// deed is what a source does.
type deed int

const (
	says    deed = iota
	shows        // sends a picture
	renames      // a group
	moves        // adds a person to a group, or removes them
)

// act is one thing that a source does in a conversation.
type act struct {
	deed         deed
	conversation string
	text         string // of a message; what belongs to anything else is named after it
	size         int    // of a picture, about, in bytes
	captioned    bool
	in           bool // a person is added
}

// rates say of how many things that a source does one is a picture, and one a change of a group; 0 is none.
type rates struct{ pictures, changes int }

// first are the places in a script where each kind comes for certain.
var first = map[int]deed{2: shows, 4: renames, 6: moves, 9: moves}

// script draws what a source does.
type script struct {
	src    source
	random *rand.Rand
	rates  rates
	n      int
	in     map[string]bool // conversations that the person whom the source moves is in
}

func newScript(seed uint64, src source, r rates) *script {
	number := slices.IndexFunc(sources, func(s source) bool { return s.name == src.name })
	return &script{src: src, random: rand.New(rand.NewPCG(seed, uint64(number+1))), rates: r, in: map[string]bool{}}
}

// next is what comes next.
func (s *script) next() act {
	a := act{conversation: s.src.where[s.random.IntN(len(s.src.where))], text: fmt.Sprintf("%s %05d", s.src.name, s.n)}
	pictures, changes, size := s.random.IntN(1000), s.random.IntN(1000), s.random.IntN(39<<10)
	switch kind, certain := first[s.n]; {
	case s.src.more == nil:
	case certain && (kind != shows || s.rates.pictures > 0) && (kind == shows || s.rates.changes > 0):
		a.deed = kind
	case s.rates.changes > 0 && changes < 1000/s.rates.changes:
		a.deed = renames + deed(changes%2)
	case s.rates.pictures > 0 && pictures < 1000/s.rates.pictures:
		a.deed = shows
	}
	s.n++
	switch a.deed {
	case shows:
		a.size, a.captioned = 1<<10+size, size%3 == 0
	case renames, moves:
		if a.conversation == "direct" {
			a.conversation = []string{"trio", "team"}[size%2]
		}
	}
	if a.deed == moves && s.src.moves == "" {
		a.deed = renames
	}
	if a.deed == moves {
		a.in = !s.in[a.conversation]
		s.in[a.conversation] = a.in
	}
	return a
}

// what is the text by which an act is recognised at all ends. It begins with the source's name.
func (a act) what(src source) string {
	switch a.deed {
	case shows:
		caption := ""
		if a.captioned {
			caption = a.text
		}
		return captioned(a.picture(), caption)
	case renames:
		return a.text + " name"
	case moves:
		return moved(src, a.in)
	}
	return a.text
}

// picture names the picture of an act.
func (a act) picture() string { return a.text + " picture" }

func captioned(picture, caption string) string {
	if caption == "" {
		return picture
	}
	return picture + " captioned " + caption
}

// moved says that the person whom a source moves has been added, or removed.
func moved(src source, in bool) string {
	if in {
		return src.name + " adds " + src.moves
	}
	return src.name + " removes " + src.moves
}

// moverOf is the source that moves a person, by key.
func moverOf(person string) (source, bool) {
	n := slices.IndexFunc(sources, func(src source) bool { return src.moves == person && person != "" })
	if n < 0 {
		return source{}, false
	}
	return sources[n], true
}
