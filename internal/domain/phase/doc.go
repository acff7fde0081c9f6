// Package phase decides what happens next with a Phase. It is pure: the phase controller observes, calls
// Decide, and carries out the plan.
//
//	         (those before it succeeded)              (spec.approved)             (its turn)
//	Pending ────────────────────────────▶ WaitingForApproval ──────▶ Pending, Queued ──────▶ Running ──▶ Succeeded
//	   │                                  only with approval: Manual   only when others       │ │
//	   │                                                               are in the way         │ └─────▶ Failed
//	   └──(one before it did not succeed, its run is stopped)──▶ Skipped                      └───────▶ Cancelled
//
// An execution that the cluster failed is tried again, up to three times, where that is safe:
//
//	attempt 1 ──(class Infra, and ci.sh had not started or may be run twice)──▶ pause ──▶ attempt 2 …
//
// One that is stopped (cancelled, too long, a replica failed) stays Running until its builder Pods have ended:
//
//	stop stored ──▶ Pods told to end (TERM, grace period, KILL) ──▶ results and logs kept ──▶ Failed, Cancelled
//
// A deployment that fails or is cancelled after it began stays Running while it is rolled back (status.rollback, condition
// RolledBack):
//
//	receipts stored ──▶ images changed ──▶ rolled out ──▶ Succeeded
//	                           └──(failure, cancel)──▶ rollback stored ──▶ images changed back ──▶ rolled out ──▶ Failed, Cancelled
//
// What the store has of a replica's log (log.stored) comes later, when the phase may have ended long since:
//
//	ci.sh ended ──▶ Delivering ──(what ships ended)──▶ Complete, Incomplete
//	                     └──(20 minutes)──▶ Pod removed, Incomplete
//
// What always holds: terminal states are final; a phase begins only when every Phase that it names in
// spec.after has succeeded, and when it is its turn; the receipts of a deployment are in the status before the first
// service is changed, and a service is changed once, and back once; no Pod is stopped before the status says why.
package phase
