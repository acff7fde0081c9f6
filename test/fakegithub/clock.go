package fakegithub

import "time"

// now is the server's time: that of [Options].Now, and what AdvanceClock added.
func (s *Server) now() time.Time { return s.clock().Add(time.Duration(s.advanced.Load())) }

// AdvanceClock makes it later for the server alone: tokens of Apps expire, rate limits begin anew.
func (s *Server) AdvanceClock(by time.Duration) { s.advanced.Add(int64(by)) }
