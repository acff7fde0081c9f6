package v1alpha1_test

import (
	"path"
	"strings"
	"testing"

	v1alpha1 "katkit.dev/katkit/api/v1alpha1"
)

func TestFolder(t *testing.T) {
	for folder, want := range map[string]string{
		"": "", "/": "", "//": "",
		"api": "api", "/api": "api", "api/": "api", "//api//": "api",
		"services/api": "services/api", "services//api/": "services/api",
		"a b": "a b", "...": "...", ".hidden": ".hidden",
		// The API server refuses these; they must not lead out of the repository even so.
		"..": "", "../..": "", "a/../..": "", "./api": "api",
	} {
		t.Run(folder, func(t *testing.T) {
			if got := (&v1alpha1.TenantRepoLinkSpec{FolderPath: folder}).Folder(); got != want {
				t.Errorf("folder of %q is %q, want %q", folder, got, want)
			}
		})
	}
}

// FuzzFolder: a folder is relative, clean, and never leads out of the repository.
func FuzzFolder(f *testing.F) {
	for _, seed := range []string{"", "/api/", "a/../../b", "./.", "a//b/", "..."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, folder string) {
		got := (&v1alpha1.TenantRepoLinkSpec{FolderPath: folder}).Folder()
		if strings.HasPrefix(got, "/") || strings.HasSuffix(got, "/") || got == ".." || strings.HasPrefix(got, "../") {
			t.Errorf("folder of %q is %q", folder, got)
		}
		if got != "" && path.Clean(got) != got {
			t.Errorf("folder of %q is %q, which is not clean", folder, got)
		}
		if again := (&v1alpha1.TenantRepoLinkSpec{FolderPath: got}).Folder(); again != got {
			t.Errorf("folder of %q is %q, and of that %q", folder, got, again)
		}
	})
}

func TestTerminal(t *testing.T) {
	for state, want := range map[v1alpha1.PhaseState]bool{
		"": false, v1alpha1.PhasePending: false, v1alpha1.PhaseWaitingForApproval: false, v1alpha1.PhaseRunning: false,
		v1alpha1.PhaseSucceeded: true, v1alpha1.PhaseFailed: true, v1alpha1.PhaseSkipped: true,
	} {
		if got := state.Terminal(); got != want {
			t.Errorf("phase state %q is terminal: %t", state, got)
		}
	}
	for state, want := range map[v1alpha1.RunState]bool{
		"": false, v1alpha1.RunPending: false, v1alpha1.RunRunning: false, v1alpha1.RunWaitingForApproval: false,
		v1alpha1.RunSucceeded: true, v1alpha1.RunFailed: true,
	} {
		if got := state.Terminal(); got != want {
			t.Errorf("run state %q is terminal: %t", state, got)
		}
	}
}
