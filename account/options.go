package account

import (
	"context"
	"time"
)

// Options are the timings and limits of a Manager. Zero values mean the default.
type Options struct {
	SendWait      time.Duration // how long a request may wait for the network; 60 s, at most 4 min
	DoubtDelay    time.Duration // from the end of an unanswered attempt to the catch-up that decides its fate; 5 s
	CatchupEvery  time.Duration // between catch-ups while connected; 5 min
	Overlap       time.Duration // how far before the cursor a catch-up begins; 5 min
	OldestCursor  time.Duration // an older cursor needs the comparison of all conversations; 7 days
	PartPause     time.Duration // between the parts of a request that adds or removes many people; 500 ms
	PushWait      time.Duration // how late the push of an answered request's event may be before a catch-up; 1 s
	AsidePatience time.Duration // how long failing catch-ups keep live events aside; 30 s
	BackoffMin    time.Duration // first pause after a lost connection; 1 s
	BackoffMax    time.Duration // longest pause; 60 s
	MarkDelay     time.Duration // watermarks are coalesced for so long; 500 ms
	Recheck       time.Duration // first pause before refused credentials are tried again, growing to twelve times that; 5 min
	RefreshEvery  time.Duration // how often the database is asked for logins of other processes; 3 s
	HistoryKeep   time.Duration // how long acknowledged events stay in the log, and pages of history unless more are fetched; 30 days
	Silence       time.Duration // of the push channel, after which it is made anew; 3 min
	ConnectTime   time.Duration // how long a connection may be without a push channel before it is made anew; 10 min
	CompareEvery  time.Duration // between looks at the latest conversations while connected; 2 min
	DeafGrace     time.Duration // how late a push may be before it counts as missing; 30 s
	PeopleEvery   time.Duration // between questions for all people's names and photos; 24 h
	TrimEvery     time.Duration // between looks for what retention lets go; 1 h
	Aside         int           // live updates kept during a catch-up; 1000

	Now func() time.Time `json:"-"` // the machine's clock, asked once at the start; time.Now
}

func (o Options) withDefaults() Options {
	duration := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	duration(&o.SendWait, time.Minute)
	o.SendWait = min(o.SendWait, 4*time.Minute)
	duration(&o.DoubtDelay, 5*time.Second)
	duration(&o.CatchupEvery, 5*time.Minute)
	duration(&o.Overlap, 5*time.Minute)
	duration(&o.OldestCursor, 7*24*time.Hour)
	duration(&o.PartPause, 500*time.Millisecond)
	duration(&o.PushWait, time.Second)
	duration(&o.AsidePatience, 30*time.Second)
	duration(&o.BackoffMin, time.Second)
	duration(&o.BackoffMax, time.Minute)
	duration(&o.MarkDelay, 500*time.Millisecond)
	duration(&o.Recheck, 5*time.Minute)
	duration(&o.RefreshEvery, 3*time.Second)
	duration(&o.HistoryKeep, 30*24*time.Hour)
	duration(&o.Silence, 3*time.Minute)
	duration(&o.ConnectTime, 10*time.Minute)
	duration(&o.CompareEvery, 2*time.Minute)
	duration(&o.DeafGrace, 30*time.Second)
	duration(&o.PeopleEvery, 24*time.Hour)
	duration(&o.TrimEvery, time.Hour)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Aside == 0 {
		o.Aside = 1000
	}
	return o
}

// backoff makes growing pauses.
type backoff struct {
	min, max, next time.Duration
}

func (o Options) backoff() *backoff { return &backoff{min: o.BackoffMin, max: o.BackoffMax} }

// pause returns the next pause: at least atLeast, twice the one before, up to the
// longest.
func (b *backoff) pause(atLeast time.Duration) time.Duration {
	b.next = max(b.min, min(b.next*2, b.max))
	return max(b.next, atLeast)
}

func (b *backoff) reset() { b.next = 0 }

// sleep waits for a duration; false means that ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
