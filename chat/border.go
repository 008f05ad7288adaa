package chat

// The methods named Clean are called once where values come from a network and where requests go to
// one, so that no side has to distrust what it gets.

// Clean returns p with clean texts.
func (p Person) Clean() Person {
	p.FullName, p.FirstName, p.PhotoURL = CleanName(p.FullName), CleanName(p.FirstName), cleanTarget(p.PhotoURL)
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
	return e
}

// Clean returns m with clean texts.
func (m Message) Clean() Message {
	m.Text = m.Text.Clean()
	attachments := m.Attachments
	m.Attachments = nil
	for _, a := range attachments {
		a.URL, a.Thumbnail = cleanTarget(a.URL), cleanTarget(a.Thumbnail)
		a.Name, a.Address = CleanName(a.Name), CleanName(a.Address)
		m.Attachments = append(m.Attachments, a)
	}
	return m
}

// Clean returns r with clean texts.
func (r Request) Clean() Request {
	if r.Message != nil {
		message := r.Message.Clean()
		r.Message = &message
	}
	return r
}

// Clean returns n with clean texts.
func (n NewConversation) Clean() NewConversation {
	n.Name = CleanName(n.Name)
	return n
}
