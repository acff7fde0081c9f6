package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"katkit.dev/katkit/hack/localkube/internal/network"
)

// settings are what the user chose; they are remembered, so that a repairing `up` need not repeat them.
type settings struct {
	Network  string `json:"network"`            // until Down with Purge
	AuditLog string `json:"auditLog,omitempty"` // until Down; empty: no audit log
	Enforcer string `json:"enforcer,omitempty"` // folder of the program that enforces NetworkPolicies, until Down; empty: none is enforced
	Programs string `json:"programs,omitempty"` // folder of the built programs that the cluster was last started with
	Proven   bool   `json:"proven,omitempty"`   // a test Pod ran
}

func readSettings(state string) (settings, error) {
	s := settings{Network: network.DefaultPrefix}
	path := filepath.Join(state, "settings.json")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("%s: %w: remove the file to go back to the defaults", path, err)
	}
	return s, nil
}

func (c *Cluster) saveSettings() error {
	data, err := json.MarshalIndent(c.settings, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(c.path("settings.json"), data, 0o644)
}

// replaceFile writes a file wholly or not at all.
func replaceFile(path string, data []byte, mode fs.FileMode) error {
	if err := os.WriteFile(path+".new", data, mode); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
