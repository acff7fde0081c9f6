package contract

import (
	"strings"
	"testing"
)

func TestLogReportRoundTrip(t *testing.T) {
	for _, want := range []LogReport{{}, {Bytes: 1 << 40, Complete: true}, {Bytes: 5, Message: "the log store answers 503: \"down\" <soon>"}} {
		if got, err := ParseLogReport(want.Marshal()); err != nil || got != want {
			t.Errorf("%+v, want %+v: %v", got, want, err)
		}
	}
	long := LogReport{Message: strings.Repeat("\x1b[31m\"\\\n\xff日", 1000)}
	message := long.Marshal()
	if len(message) > MaxReport {
		t.Errorf("a report of %d bytes", len(message))
	}
	if got, err := ParseLogReport(message); err != nil || len(got.Message) > maxMessage || strings.ContainsRune(got.Message, '\x1b') {
		t.Errorf("%q, %v", got.Message, err)
	}
}

func TestParseLogReportRefuses(t *testing.T) {
	for name, message := range map[string]string{
		"nothing":         "",
		"a build's word":  "Error: killed",
		"another version": `{"version":2,"bytes":1,"complete":true}`,
		"fewer than none": `{"version":1,"bytes":-1}`,
		"too much":        `{"version":1,"message":"` + strings.Repeat("x", MaxReport) + `"}`,
	} {
		if got, err := ParseLogReport([]byte(message)); err == nil || got != (LogReport{}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestReportsAreToldApart(t *testing.T) {
	if r, err := ParseLogReport(Report{Reason: ReasonCompleted}.Marshal()); err == nil {
		t.Errorf("a report is taken for what is stored: %+v", r)
	}
	if r, err := ParseReport(LogReport{Bytes: 1, Complete: true}.Marshal()); err == nil {
		t.Errorf("what is stored is taken for a report: %+v", r)
	}
}
