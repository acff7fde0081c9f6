// Package run decides what happens next with a CIRun: which workflow it follows, which Phases are made for
// it, and what its status says. It is pure: the run controller observes, calls Decide, and carries out
// the plan.
//
//	Pending ──(commit known, Phases made)──▶ Running ◀──▶ Queued, WaitingForApproval
//	   │                                        │
//	   ├──(cannot begin)──▶ Failed ◀────────────┼──▶ Succeeded
//	   └──(cancelled)──▶ Cancelled ◀────────────┘
//
// A run that is stopped (cancelled, superseded, its link deleted, too long) stays Running until its Phases have ended:
//
//	status.stop written ──▶ its Phases see it, and end ──▶ Cancelled, Failed
//
// What always holds: terminal states are final; all Phases are made before the status names the first of
// them, and each Phase waits by itself for those before it; a run is over when all its Phases are, and no
// builder Pod outlives it.
package run
