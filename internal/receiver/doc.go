// Package receiver is the endpoint of GitHub's webhooks, the only part of Katkit that faces the internet. cmd/receiver runs
// it. A webhook is a hint and the API is the truth: all that comes of a delivery is that links of its repository are
// annotated, so that the link controller looks at them now, or at the button that was pressed.
//
//	delivery ─▶ Handler ─▶ signature ─▶ Read ─▶ Links.Find ─▶ Requester ─▶ Links.Annotate
//	                       of the raw    the     in the cache   one a second
//	                       body          payload                and link
//
// The answer is sent before a link is annotated.
//
// What always holds:
//   - Nothing of a delivery is looked at before its signature is right but where the body ends: not its type, event,
//     GUID or JSON. All that are forged get the same answer, and none leaves a trace but a count.
//   - An answer does not tell whether there is a link, nor anything else of the cluster.
//   - Memory is bounded: of bodies by [MaxBytesInFlight], of connections, of deliveries remembered, and of requests by
//     the links there are.
//   - The last hint about a link leads to an annotation at or after it, if the API server takes one at all. So does each button
//     that was pressed, up to [click.Max] in [click.Age], whichever replica was told of it.
//   - Neither a body, a secret nor a signature is logged.
package receiver
