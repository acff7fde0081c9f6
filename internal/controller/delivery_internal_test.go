package controller

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

func TestTheAgentIsDeliveredByTheVersionOfTheAPIServer(t *testing.T) {
	for gitVersion, want := range map[string]v1alpha1.AgentDelivery{
		"v1.37.2": v1alpha1.AgentByImageVolume, "v1.35.0": v1alpha1.AgentByImageVolume, "v1.36.1-gke.100": v1alpha1.AgentByImageVolume,
		"v1.34.9": v1alpha1.AgentByInitContainer, "v1.33.4+k3s1": v1alpha1.AgentByInitContainer, "v1.34.1-eks-3025e55": v1alpha1.AgentByInitContainer,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/version" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(version.Info{Major: "1", GitVersion: gitVersion})
		}))
		defer server.Close()
		config := &rest.Config{Host: server.URL}
		if got, err := chooseDelivery(config, ""); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", gitVersion, got, err, want)
		}
		if got, err := chooseDelivery(config, v1alpha1.AgentByInitContainer); err != nil || got != v1alpha1.AgentByInitContainer {
			t.Errorf("%s, forced: %s, %v", gitVersion, got, err)
		}
	}
	if got, err := chooseDelivery(&rest.Config{Host: "http://127.0.0.1:1"}, ""); err == nil {
		t.Errorf("no API server: %s", got)
	}
	if got, err := deliveryOf("unknown"); err == nil {
		t.Errorf("an unknown version: %s", got)
	}
}
