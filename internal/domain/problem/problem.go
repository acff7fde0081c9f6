// Package problem has the type by which everything that reads or checks tells everything that decides
// what stands in the way. It is pure: reasons are those of api/v1alpha1, messages are for people.
package problem

import (
	"fmt"
	"time"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

// Problem is what stands in the way of a link, a run or a phase. It is an error, so that it can be
// returned and wrapped as one.
type Problem struct {
	// Class tells whose it is.
	Class v1alpha1.FailureClass
	// Reason is a condition reason of api/v1alpha1.
	Reason string
	// Message says what is wrong, where, and what to do next.
	Message string
	// Transient problems pass by themselves: the same thing is tried again after RetryAfter, or with the
	// caller's backoff when that is 0.
	Transient  bool
	RetryAfter time.Duration
}

// Error is the reason and the message.
func (p *Problem) Error() string { return p.Reason + ": " + p.Message }

// Config is a problem that a person mends in a file or an object. The message is formatted as by fmt.Sprintf.
func Config(reason, format string, args ...any) *Problem {
	return &Problem{Class: v1alpha1.FailureConfig, Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// Transient is a problem of the network or the cluster that passes by itself. The message is formatted
// as by fmt.Sprintf.
func Transient(reason, format string, args ...any) *Problem {
	return &Problem{Class: v1alpha1.FailureInfra, Reason: reason, Message: fmt.Sprintf(format, args...), Transient: true}
}
