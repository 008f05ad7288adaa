// Package hangoutstest is a Hangouts-compatible server for tests, demonstrations and
// benchmarks, in the spirit of net/http/httptest.
//
//	srv := hangoutstest.New(hangoutstest.Options{})
//	defer srv.Close()
//	ada := srv.Account(0)                       // log in with ada.RefreshToken() or ada.Cookies()
//	client := connectTo(srv.URL, ada.Cookies()) // every endpoint lives below srv.URL
//	_ = ada.WaitSubscribed(ctx, 1)
//	srv.Person("carol").Send("team", "Hello")   // pushed to ada's client
//
// It implements the requirement list of protocol §15 and every endpoint of §16: account
// endpoints and login pages, chat API, push channel, image upload. Clients with fixed
// addresses reach it through the CONNECT proxy ([Options].ProxyListen), which ends TLS for
// Google's host names with its own authority ([Server.CAPEM]).
//
// # World
//
// A [Scenario] gives people, conversations and history. All state is consistent over all
// endpoints; event times are unique and strictly increasing over the whole server, in µs.
// Nothing is pushed to a client before it has added the service babel: what happens between
// its synchronisation and that moment is not pushed later, as far as is known of the real
// service (peers of the reference lose it).
//
// With [Options].StateFile every accepted change is written to an append-only journal with
// one write before it is answered or pushed. That survives kill -9 of the process, not a
// crash of the machine. SIDs, active clients, presence states, open uploads and unused
// authorization codes do not survive; refresh tokens, access tokens and cookies do.
//
// # Faults
//
// [Server.Inject] makes requests and pushes go wrong, [Server.Drop] interrupts channels,
// [Server.Configure] changes times and rules. Tests of exactly-once delivery switch
// [Settings].Dedup off: that the real service deduplicated is an assumption.
//
// # Control interface
//
// All of it is also reachable as JSON over HTTP: POST to [Server].ControlURL + "/" + verb, as
// application/json and not from a web page. [ControlHelp] lists the verbs with their parameters and
// types; "help" answers the same list. Unknown verbs and fields are errors.
//
// # Concurrency
//
// One mutex guards all state; a request is handled under it and answered after it. Each
// long poll takes from its session's bounded queue; a session whose queue is full is
// dropped. [Server.Close] ends every goroutine.
package hangoutstest
