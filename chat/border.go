package chat

// The methods named Clean are called once where values come from a network and where requests go to
// one, so that no side has to distrust what it gets.

// Clean returns p with clean texts.
func (p Person) Clean() Person {
	p.FullName, p.FirstName = CleanName(p.FullName), CleanName(p.FirstName)
	p.Emails, p.Phones = cleanNames(p.Emails), cleanNames(p.Phones)
	return p
}

func cleanNames(list []string) (out []string) {
	for _, s := range list {
		if s = CleanName(s); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// Clean returns d with clean texts.
func (d ConversationDelta) Clean() ConversationDelta {
	if d.Name != nil {
		name := CleanName(*d.Name)
		d.Name = &name
	}
	if d.Topic != nil {
		topic := CleanTopic(*d.Topic)
		d.Topic = &topic
	}
	members := d.Members
	d.Members = nil
	for _, m := range members {
		m.Name = CleanName(m.Name)
		d.Members = append(d.Members, m)
	}
	return d
}

// Clean returns e with clean texts.
func (e Event) Clean() Event {
	if e.Message != nil {
		message := e.Message.Clean()
		e.Message = &message
	}
	if e.Rename != nil {
		e.Rename = &Rename{Old: CleanName(e.Rename.Old), New: CleanName(e.Rename.New)}
	}
	if e.Call != nil {
		e.Call = &Call{Ended: e.Call.Ended, URL: cleanTarget(e.Call.URL)}
	}
	if e.Notice != nil {
		e.Notice = &Notice{Text: CleanName(e.Notice.Text)}
	}
	if e.Edit != nil {
		edit := e.Edit.Clean()
		e.Edit = &edit
	}
	if e.Deletion != nil {
		e.Deletion = &Deletion{Target: e.Deletion.Target, Why: CleanName(e.Deletion.Why)}
	}
	if e.Reaction != nil {
		reaction := *e.Reaction
		reaction.Emoji = reaction.Emoji.Clean()
		e.Reaction = &reaction
	}
	if e.Reactions != nil {
		list := Reactions{Target: e.Reactions.Target}
		for _, r := range e.Reactions.List {
			r.Emoji = r.Emoji.Clean()
			list.List = append(list.List, r)
		}
		e.Reactions = &list
	}
	if e.Description != nil {
		e.Description = &Description{Old: CleanTopic(e.Description.Old), New: CleanTopic(e.Description.New)}
	}
	return e
}

// Clean returns e with clean texts.
func (e Edit) Clean() Edit {
	e.Message = e.Message.Clean()
	return e
}

// Clean returns e with clean texts.
func (e Emoji) Clean() Emoji {
	return Emoji{Text: CleanName(e.Text), Name: CleanName(e.Name), Ref: e.Ref}
}

// Clean returns m with clean texts.
func (m Message) Clean() Message {
	m.Text = m.Text.Clean()
	attachments := m.Attachments
	m.Attachments = nil
	for _, a := range attachments {
		a.URL, a.Thumbnail = cleanTarget(a.URL), cleanTarget(a.Thumbnail)
		a.Name, a.Address, a.MIME = CleanName(a.Name), CleanName(a.Address), CleanName(a.MIME)
		m.Attachments = append(m.Attachments, a)
	}
	if m.Reply != nil {
		quote := *m.Reply
		quote.Text = quote.Text.Clean()
		m.Reply = &quote
	}
	return m
}

// MaxTopic is the longest topic in code points.
const MaxTopic = 2000

// CleanTopic makes foreign text fit for a topic, as CleanName does for a name.
func CleanTopic(s string) string { return CleanLine(s, MaxTopic) }

// Clean returns r with clean texts.
func (r Request) Clean() Request {
	if r.Message != nil {
		message := r.Message.Clean()
		r.Message = &message
	}
	if r.Edit != nil {
		edit := r.Edit.Clean()
		r.Edit = &edit
	}
	if r.Deletion != nil {
		r.Deletion = &Deletion{Target: r.Deletion.Target, Why: CleanName(r.Deletion.Why)}
	}
	if r.Reaction != nil {
		reaction := *r.Reaction
		reaction.Emoji = reaction.Emoji.Clean()
		r.Reaction = &reaction
	}
	if r.Rename != nil {
		r.Rename = &Rename{New: CleanName(r.Rename.New)}
	}
	if r.Topic != nil {
		r.Topic = &Description{New: CleanTopic(r.Topic.New)}
	}
	if r.Create != nil {
		create := r.Create.Clean()
		r.Create = &create
	}
	return r
}

// Clean returns n with clean texts.
func (n NewConversation) Clean() NewConversation {
	n.Name = CleanName(n.Name)
	return n
}
