package receiver

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
)

func TestThereIsNoReceiverWithoutASecret(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "white space": " \n\t\n", "short": "abc\n"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "secret")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			// No API server is there: it is not asked.
			_, err := NewManager(t.Context(), &rest.Config{Host: "http://127.0.0.1:1"}, ctrl.Options{},
				Settings{SecretFile: path, Registerer: prometheus.NewRegistry()})
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "openssl rand") {
				t.Errorf("error %v, want one that names the file, and what to do", err)
			}
		})
	}
}
