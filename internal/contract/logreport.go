package contract

import (
	"encoding/json"
	"errors"
	"fmt"
)

// LogReport is what `ship` leaves as the termination message of its container: what the store has of the log.
type LogReport struct {
	// Bytes that are stored, from the log's first.
	Bytes int64
	// Complete: that is all that the build container wrote.
	Complete bool
	// Message tells why it is not, and what can be done, at most 1 KiB; "" where it is.
	Message string
}

// wireLogReport is told by its "stored" from a Report.
type wireLogReport struct {
	Version int         `json:"version"`
	Stored  *wireStored `json:"stored"`
}

type wireStored struct {
	Bytes    int64  `json:"bytes"`
	Complete bool   `json:"complete"`
	Message  string `json:"message,omitempty"`
}

// Marshal returns the report as JSON of at most MaxReport bytes; the message is made plain text.
func (r LogReport) Marshal() []byte {
	return encode(wireLogReport{Version: reportVersion, Stored: &wireStored{Bytes: r.Bytes, Complete: r.Complete, Message: firstBytes(plain(r.Message))}})
}

// ParseLogReport reads what Marshal wrote, as ParseReport does. An error says what was wrong.
func ParseLogReport(message []byte) (LogReport, error) {
	if len(message) == 0 {
		return LogReport{}, errors.New("the container left no report")
	}
	if len(message) > MaxReport {
		return LogReport{}, fmt.Errorf("the container's report has %d bytes, at most %d are allowed", len(message), MaxReport)
	}
	var w wireLogReport
	if err := json.Unmarshal(message, &w); err != nil {
		return LogReport{}, fmt.Errorf("the container's report is not the agent's JSON: %w", err)
	}
	switch {
	case w.Version != reportVersion:
		return LogReport{}, fmt.Errorf("the container's report was not written by a fitting agent: version %d, expected %d", w.Version, reportVersion)
	case w.Stored == nil || w.Stored.Bytes < 0:
		return LogReport{}, errors.New("the container's report does not say what is stored")
	}
	return LogReport{Bytes: w.Stored.Bytes, Complete: w.Stored.Complete, Message: firstBytes(plain(w.Stored.Message))}, nil
}
