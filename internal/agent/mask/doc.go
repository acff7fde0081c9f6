// Package mask keeps the values of Secrets out of a log. The agent puts a [Writer] between ci.sh's output and the log, and asks a
// [Masker] about single texts.
//
// A value is looked for in the forms of forms.go: as it is, each of its lines, in base64, and as URLs, JSON and shells quote it. What is
// found is replaced by [Stars]; of forms that overlap, or follow each other, all together. Everything else passes byte for byte.
//
// What always holds: no form of a value passes a Writer, however its bytes come in pieces; what has passed depends on the bytes alone, not
// on the pieces. For that the Writer holds back the end of what it got where that is the beginning of a form: of a whole line nothing, as a
// rule, since no form begins as lines end. It is held until what follows decides, or until Flush, and not for a time: a value that is
// written slowly is masked like any other, and the price is that the last letters of an unfinished line may be seen late. Memory is
// bounded: a Writer holds back no more than maxHeld bytes.
//
// It guards against carelessness: a ci.sh that wants to tell a value can always find a form that nobody thought of.
package mask
