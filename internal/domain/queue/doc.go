// Package queue decides whose turn it is. Phases that are ready to begin wait for two things:
//
//   - their tenant: a deployment has it for itself, executions share it, and among those that wait the run that was made
//     first comes first (ADR 9). Deployments of one link keep the order of their runs.
//   - a builder, where the number of builders in the cluster is capped: tenants take turns.
//
// It is pure, and derived from the objects alone: the run and the phase controllers make a Snapshot of the Phases and runs
// that are there, and ask it. Nothing is remembered, so a manager that starts anew sees the same queue.
//
// What always holds: whoever waits, waits for something that is under way or for a run that was made earlier, so that
// there is always one whose turn it is. A run that waits for a person holds nobody up.
package queue
