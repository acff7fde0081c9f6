// Package reporting decides what GitHub shall show of a run: a commit status for each of its phases, and a deployment for the
// one that deploys. It is pure; the reporting controller observes and sends.
//
//	run, phases, tenant, link ──Desire──▶ what GitHub shall show ─┐
//	                                       what GitHub shows ─────┴─Decide──▶ what is to be sent, in order
//
// What always holds: what is sent is a difference, so that a state which came and went while GitHub could not be told is never
// sent; what is sent for a phase ends with its end; no context but those of the run's own tenant, folder and phases is sent, and
// none that a newer run of the commit has.
package reporting
