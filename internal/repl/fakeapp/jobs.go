package fakeapp

import (
	"time"

	"github.com/towerkit/tower/internal/wire"
)

// Jobs returns the jobs and reactions of an [App], as of a time.
func Jobs(now time.Time) wire.JobsInfo {
	ago := func(d time.Duration) *time.Time {
		t := now.Add(-d)
		return &t
	}
	return wire.JobsInfo{
		Workers: 10,
		Queues: []wire.QueueInfo{{Name: "default", Waiting: 2, Running: 1, Dead: 1, Ended: 1204},
			{Name: "mail", Most: 2, Waiting: 1, LateMs: 2100}},
		Schedules: []wire.ScheduleInfo{{Job: "nightly_report", Cron: "30 2 * * *", Zone: "Europe/Berlin", Next: now.Add(3 * time.Hour), Last: ago(21 * time.Hour)}},
		Reactions: []wire.ReactionInfo{{Name: "ship", Scope: `orders where state is "paid"`, On: "enter", Waiting: 1, Behind: 1, Failed: 1, Last: ago(4 * time.Second)}},
		Jobs: []wire.JobInfo{
			{ID: "01JBXYZ0000000000000000011", Job: "publish", Queue: "default", State: "running", Priority: 2, Attempt: 1, MaxAttempts: 20, Due: *ago(4 * time.Second), Started: ago(4 * time.Second), Done: 3, Total: 9, Note: "Hello 日本 👋"},
			{ID: "01JBXYZ0000000000000000012", Job: "send_receipt", Queue: "mail", State: "waiting", Priority: 2, Attempt: 2, MaxAttempts: 20, Due: now.Add(81 * time.Second), Error: "dial tcp 192.0.2.1:25: connection refused"},
			{ID: "01JBXYZ0000000000000000013", Job: "resize", Queue: "default", State: "waiting", Priority: 2, MaxAttempts: 20, Due: now.Add(2 * time.Hour)},
			{ID: "01JBXYZ0000000000000000014", Job: "import", Queue: "default", State: "dead", Priority: 4, Attempt: 20, MaxAttempts: 20, Due: *ago(time.Hour), Finished: ago(time.Hour), Error: "panic: index out of range [3] with length 2"},
		},
		Waiting: []wire.WaitingInfo{
			{ID: "01JBXYZ0000000000000000015", Reaction: "ship", Event: "enter", Model: "orders", Of: "01JBXYZ0000000000000000016", Label: "メール 📭", Seq: 811, State: "failed", Attempt: 8, MaxAttempts: 8, Due: *ago(time.Hour), Error: "no paper"},
			{ID: "01JBXYZ0000000000000000017", Reaction: "ship", Event: "enter", Model: "orders", Of: "01JBXYZ0000000000000000018", Seq: 812, State: "waiting", Attempt: 1, MaxAttempts: 8, Due: now.Add(16 * time.Second), Error: "no paper"},
			{ID: "01JBXYZ0000000000000000019", Reaction: "ship", Event: "leave", Model: "orders", Of: "01JBXYZ0000000000000000018", Seq: 813, State: "behind", MaxAttempts: 8, Due: *ago(time.Second)},
		},
	}
}
