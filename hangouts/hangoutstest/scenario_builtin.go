package hangoutstest

import "fmt"

// names for made-up accounts, in order.
var accountNames = [][2]string{
	{"Ada", "Lovelace"}, {"Grace", "Hopper"}, {"Alan", "Turing"}, {"Edsger", "Dijkstra"},
	{"Barbara", "Liskov"}, {"Donald", "Knuth"}, {"Radia", "Perlman"}, {"Ken", "Thompson"},
}

// madeUpAccount is account number i (from 0) of a scenario that has too few.
func madeUpAccount(i int) ScenarioPerson {
	first, last := fmt.Sprintf("User%d", i+1), "Example"
	if i < len(accountNames) {
		first, last = accountNames[i][0], accountNames[i][1]
	}
	return ScenarioPerson{
		Key: fmt.Sprintf("user%d", i+1), Name: first + " " + last, FirstName: first,
		Email: fmt.Sprintf("user%d@example.com", i+1), Account: true,
	}
}

// DefaultScenario has two accounts (keys user1, user2), three silent contacts (carol,
// dave, erin), a one-to-one conversation of the accounts (key direct), one of user1 with
// carol (key carol), and a group of the accounts, carol and dave (key team).
func DefaultScenario() *Scenario {
	return &Scenario{
		People: []ScenarioPerson{
			madeUpAccount(0), madeUpAccount(1),
			{Key: "carol", Name: "Carol Čapek", FirstName: "Carol", Email: "carol@example.com", Phone: "+15551230001"},
			{Key: "dave", Name: "Dave Ångström", FirstName: "Dave", Email: "dave@example.com"},
			{Key: "erin", Name: "Erin Example", FirstName: "Erin", Email: "erin@example.com", PhotoURL: "none"},
		},
		Conversations: []ScenarioConversation{
			{Key: "direct", Type: "one_to_one", Members: []string{"user1", "user2"}, History: []ScenarioEvent{
				{From: "user1", Text: "Hello Grace", Ago: "3h"},
				{From: "user2", Text: "Hello Ada 😀", Ago: "2h50m"},
			}},
			{Key: "carol", Type: "one_to_one", Members: []string{"user1", "carol"}, History: []ScenarioEvent{
				{From: "carol", Text: "Are you coming on Friday?", Ago: "26h"},
				{From: "user1", Text: "Yes!", Ago: "25h"},
			}},
			{Key: "team", Type: "group", Name: "Team", Members: []string{"user1", "user2", "carol", "dave"},
				History: []ScenarioEvent{
					{From: "carol", Text: "Welcome to the team", Ago: "5h"},
					{From: "dave", Text: "**Bold** and a link: https://example.com/", Markdown: true, Ago: "4h"},
				}},
		},
	}
}

// DemoScenario has two accounts (user1, user2) and lively contacts who answer.
func DemoScenario() *Scenario {
	sc := DefaultScenario()
	for i := range sc.People {
		switch sc.People[i].Key {
		case "carol":
			sc.People[i].Bot = "chatty"
		case "dave":
			sc.People[i].Bot = "echo"
		case "erin":
			sc.People[i].Bot = "chatty"
		}
	}
	sc.Conversations = append(sc.Conversations,
		ScenarioConversation{Key: "dave", Type: "one_to_one", Members: []string{"user1", "dave"}, History: []ScenarioEvent{
			{From: "dave", Text: "Say something and I repeat it.", Ago: "30m"},
		}},
		ScenarioConversation{Key: "picnic", Type: "group", Name: "Picnic", Members: []string{"user1", "carol", "erin"},
			LinkSharing: true, History: []ScenarioEvent{
				{From: "carol", Text: "Who brings the cake?", Ago: "50m"},
				{From: "erin", Text: "I do. Carol brings the _lemonade_.", Markdown: true, Ago: "45m"},
			}},
	)
	return sc
}
