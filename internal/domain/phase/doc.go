// Package phase decides what happens next with a Phase. It is pure: the phase controller observes, calls
// Decide, and carries out the plan.
//
//	Pending ──(those before it succeeded)──▶ WaitingForApproval ──(spec.approved)──▶ Running ──▶ Succeeded
//	   │                                     only with approval: Manual                 │
//	   └──(one before it failed)──▶ Skipped                                             └─────▶ Failed
//
// A deployment that fails after it began stays Running while it is rolled back (status.rollback, condition RolledBack):
//
//	receipts stored ──▶ images changed ──▶ rolled out ──▶ Succeeded
//	                           └──(failure)──▶ rollback stored ──▶ images changed back ──▶ rolled out ──▶ Failed
//
// What always holds: terminal states are final; a phase begins only when every Phase that it names in
// spec.after has succeeded; the receipts of a deployment are in the status before the first service is
// changed, and a service is changed once, and back once.
package phase
