package logstore

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"katkit.dev/katkit/internal/contract"
)

// claims are what a token that Kubernetes gives to a Pod says of itself.
type claims struct {
	Issuer     string   `json:"iss"`
	Audience   audience `json:"aud"`
	Kubernetes struct {
		Namespace string `json:"namespace"`
		Pod       struct {
			Name string `json:"name"`
			UID  string `json:"uid"`
		} `json:"pod"`
	} `json:"kubernetes.io"`
}

// audience is one name, or several.
type audience []string

// UnmarshalJSON implements json.Unmarshaler.
func (a *audience) UnmarshalJSON(text []byte) error {
	var one string
	if json.Unmarshal(text, &one) == nil {
		*a = audience{one}
		return nil
	}
	return json.Unmarshal(text, (*[]string)(a))
}

// looksBound tells whether a token says of itself that it is a Pod's, for the log store. Nobody has checked that it is true: it spares the
// API server the question about what cannot be such a token.
func looksBound(token string) bool {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return false
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return false
	}
	var said claims
	if json.Unmarshal(payload, &said) != nil {
		return false
	}
	bound := said.Kubernetes
	return said.Issuer != "" && slices.Contains(said.Audience, contract.LogAudience) && bound.Namespace != "" && bound.Pod.Name != "" && bound.Pod.UID != ""
}
