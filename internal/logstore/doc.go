// Package logstore stores the logs of builder Pods while they are written, and serves them. cmd/logstore runs it; what it speaks is
// in internal/contract.
//
//	PUT ─▶ Handler ─▶ Guard.Writer ─▶ Store.Open ─▶ shares ──────▶ Writer.Append ─▶ Bucket.put ─▶ objects
//	                  whose token     one at a time so many for    no more than     stored, or   NAMESPACE/POD/UID/OFFSET-RANDOM
//	                  of which Pod    for each log  its namespace  the budget       nothing      NAMESPACE/POD/UID/end-BYTES
//	GET ─▶ Handler ─▶ Guard.Reader ─▶ shares ─▶ Store.Find, LastLines, Since, Copy ◀──────────────┤
//	                  who may get phases/log                                                      │
//	Sweeper, now and then: removes what is old, and counts what each namespace has ◀──────────────┘
//
// A log is the objects below its prefix. Each holds the bytes from its offset on; they may overlap, since the bytes at an offset are
// the same in all of them. The log goes as far as they reach from 0 without a gap, and it is complete when there is an object
// `end-BYTES` of a length that is reached.
//
// What always holds:
//   - What a PUT counts in its answer is stored: no state but the bucket's is needed to find it again, whoever is killed when.
//   - An object that others may have seen is never made shorter. One process alone grows it, those it made itself, and none whose
//     last write it does not know the end of.
//   - Who floods it, with bytes, requests or wrong tokens, uses up their own share of it.
//   - Memory does not depend on how long a log is, how many there are, or how slowly somebody writes or reads.
//   - Neither a token nor a byte of a log gets into the store's own log.
package logstore
